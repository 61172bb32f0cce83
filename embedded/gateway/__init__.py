"""A payment gateway for one machine: it speaks the small part of Stripe's API that the broker uses, and moves no money.

It knows test cards only, keeps what happened in a file of its own, and signs its webhooks as Stripe does.
"""
