"""The one place that reads the environment."""

import getpass
import re
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from consumers.feed.live import Limits
from events.filing import Url

__all__ = ["NOBODY", "Settings"]

NOBODY = "dateline@localhost.invalid"  # an address that nobody can have: .invalid is reserved


def _login() -> str:
    """Give the name of whoever is logged in, in the form that the log takes."""
    try:
        name = re.sub(r"[^A-Za-z0-9._:@-]", "-", getpass.getuser()).lstrip("._:@-")[:72]
    except (KeyError, OSError):  # an account without a name, as in some containers
        name = ""
    return f"desk:{name or 'unknown'}"


class Settings(BaseSettings):
    """What can be set by environment variables: the field's name in capitals after DATELINE_."""

    model_config = SettingsConfigDict(env_prefix="DATELINE_", env_ignore_empty=True)

    log: str = Field(
        default="sqlite:///dateline.db",
        description="where the log is: sqlite:///file, kafka://host:port/topic, memory:",
    )
    by: str = Field(default_factory=_login, description="who files, as the log will name them")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning",
        description="how much is told on standard error: debug, info, warning or error",
    )
    clients: int = Field(
        default=Limits().clients, ge=1, description="connections of the live feed, in all"
    )
    clients_from_one: int = Field(
        default=Limits().from_one,
        ge=1,
        description="connections of the live feed from one key, or one address without a key",
    )

    alerts: str | None = Field(
        default=None, description="the policy by which news alerts, a TOML file; none alerts nobody"
    )
    public_url: Url | None = Field(
        default=None,
        description="the URL that readers reach the server by; what each request went to if unset",
    )
    # Behind the URL, without which a hub could not say what changed.
    hub: Url | None = Field(
        default=None, description="the WebSub hub that is told of changes; needs the public URL"
    )

    allow_loopback_targets: bool = Field(
        default=False,
        description="let alerts and hubs reach this machine; for tests and demonstrations",
    )
    smtp: str | None = Field(
        default=None, description="the relay that takes mail: smtps://USER:PASSWORD@HOST"
    )
    mail_from: str = Field(
        default=NOBODY, description="whom mail comes from, NAME@HOST; the default is nobody's"
    )
    contact: str = Field(
        default=f"mailto:{NOBODY}",
        description="where push services reach whoever runs this: a mailto: or https: URL",
    )

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else value

    @field_validator("hub")
    @classmethod
    def _reachable(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and not info.data.get("public_url"):
            raise ValueError("DATELINE_PUBLIC_URL beside it, by which a hub is told of feeds")
        return value

    @field_validator("smtp")
    @classmethod
    def _relay(cls, value: str | None) -> str | None:
        if value:
            # Only where it is set: what sends alerts takes its time to be read in.
            from consumers.delivery.channels.mail import relay_of  # noqa: PLC0415 - as just said

            relay_of(value, NOBODY)
        return value

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, value: str) -> str:
        if value != NOBODY:
            from consumers.delivery.channels.mail import relay_of  # noqa: PLC0415 - as above

            relay_of("smtps://host.example", value)
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value
