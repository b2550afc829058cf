"""The version of the core. A worker older than a shard's version refuses to run; a newer one refolds what it touches."""

from typing import Final

CORE_VERSION: Final = 1
