"""The plans of this provider and what each one means to a Valkey process. Prices are the manifest's matter."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1024 * 1024


@dataclass(frozen=True)
class Plan:
    """What a plan allows. `persistent` says whether the keys survive the process."""

    name: str
    memory_mb: int
    clients: int
    persistent: bool

    @property
    def memory_bytes(self) -> int:
        return self.memory_mb * MB

    @property
    def process_bytes(self) -> int:
        """Room for the whole process: fragmentation, scripts and buffers over and above the keys.

        A tenant who goes beyond it (an endless Lua table, say) loses the process, which starts again; the host and
        the neighbours lose nothing.
        """
        return 3 * self.memory_bytes + 64 * MB

    @property
    def summary(self) -> str:
        kept = "kept on disk" if self.persistent else "in memory only"
        return f"{self.memory_mb} MB, {self.clients} connections, {kept}"


PLANS = {
    plan.name: plan
    for plan in (
        Plan("mini", memory_mb=25, clients=20, persistent=False),
        Plan("premium-0", memory_mb=50, clients=40, persistent=True),
        Plan("premium-1", memory_mb=100, clients=80, persistent=True),
        Plan("premium-2", memory_mb=250, clients=200, persistent=True),
    )
}
