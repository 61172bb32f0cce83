"""The broker's own embedded PostgreSQL: made at the first start, and the role and database the broker logs in to.

The postgres provider has a server of its own; it is not this one.
"""

import os
import signal
import subprocess

from broker.local.home import Home
from broker.local.supervisor import Service
from embedded import postgres
from embedded.processes import LOOPBACK, EngineError

_ROLE = "broker"

# The password comes from the environment: arguments can be read by everybody on the machine.
_PREPARE = r"""
\getenv password BROKER_ROLE_PASSWORD
select 'create role broker login' where not exists (select from pg_roles where rolname = 'broker') \gexec
alter role broker password :'password';
select 'create database broker owner broker' where not exists (select from pg_database where datname = 'broker') \gexec
"""


class Database:
    """The server of one home, as a service to keep running."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._server: postgres.PostgresServer | None = None
        self.port = home.port("database")
        self._superuser_password = home.secret("database superuser")
        self._role_password = home.secret("database role")

    @property
    def url(self) -> str:
        return f"postgresql://{_ROLE}:{self._role_password}@{LOOPBACK}:{self.port}/{_ROLE}"

    def initialise(self) -> None:
        postgres.initialise(self._home.database, self._superuser_password)

    def service(self) -> Service:
        return Service(
            name="PostgreSQL",
            spawn=self._spawn,
            answers=self._answers,
            log=self._home.log("database"),
            stop_signal=signal.SIGINT,  # "fast shutdown": sessions are ended, everything is on disk
            stop_s=2.5,
        )

    def prepare(self) -> None:
        """Make the broker's role, without any power over the server, and its database. Changes nothing when repeated.

        Raises: EngineError with what PostgreSQL says.
        """
        environment = {
            "PATH": os.defpath,
            "PGPASSWORD": self._superuser_password,
            "BROKER_ROLE_PASSWORD": self._role_password,
        }
        command = [str(postgres.find_binaries() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1"]
        command += ["-h", LOOPBACK, "-p", str(self.port), "-U", postgres.SUPERUSER, "-d", "postgres"]
        done = subprocess.run(command, input=_PREPARE, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise EngineError(f"The database in {self._home.database} cannot be prepared: {done.stderr.strip()}")

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._server = postgres.launch(self._home.database, self.port, log=self._home.log("database"))
        return self._server.process

    async def _answers(self) -> bool:
        return self._server is not None and self._server.accepts()
