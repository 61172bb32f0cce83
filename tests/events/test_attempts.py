"""What follows from what receivers answer."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from broker.events.attempts import Receipt, judge
from broker.events.models import DeliveryStatus, Level
from tests.outbound.test_webhook_sender import AT, attempt


@given(st.integers(1, 500), st.floats(0, 0.999), st.floats(0, 80), st.sampled_from([None, 200, 204, 301, 404, 500]))
def test_a_delivery_is_over_or_is_tried_again_within_its_time(
    number: int, chance: float, hours: float, code: int | None
) -> None:
    made = replace(attempt("https://hooks.example.com/in"), number=number)
    now = AT + timedelta(hours=hours)
    verdict = judge(made, Receipt(code), now, chance)
    assert (verdict.status is DeliveryStatus.SUCCEEDED) == (code in (200, 204))
    assert (verdict.next_at is not None) == (verdict.status is DeliveryStatus.RETRYING)
    if verdict.next_at is not None:
        assert now < verdict.next_at <= made.deadline_at
        assert verdict.next_at - now <= timedelta(minutes=75)
    if hours > 72:
        assert verdict.status is not DeliveryStatus.RETRYING


@given(st.integers(100, 599))
def test_a_notify_webhook_has_one_attempt_and_any_2xx_is_enough(code: int) -> None:
    made = replace(attempt("https://hooks.example.com/in"), level=Level.NOTIFY)
    verdict = judge(made, Receipt(code), AT, 0.5)
    assert verdict.next_at is None
    assert verdict.status is (DeliveryStatus.SUCCEEDED if 200 <= code <= 299 else DeliveryStatus.FAILED)
