"""Where things are when nobody says so: the local stack's addresses, else the usual ones."""

import os


def adopt_stack() -> None:
    """Let settings that the environment leaves open come from the stack that runs here, if one does."""
    from services.stack.running import adopt

    adopt()


def gateway_address() -> str:
    """The gateway's address by the settings (KAOHE_INGEST_HOST, KAOHE_INGEST_PORT)."""
    host = os.environ.get("KAOHE_INGEST_HOST", "127.0.0.1")
    return f"http://{host}:{os.environ.get('KAOHE_INGEST_PORT', '8101')}"


def brokers() -> str | None:
    """Kafka's brokers by the settings (KAOHE_KAFKA_BROKERS)."""
    return os.environ.get("KAOHE_KAFKA_BROKERS")


def api_address() -> str:
    """The API's address by the settings (KAOHE_API_HOST, KAOHE_API_PORT)."""
    host = os.environ.get("KAOHE_API_HOST", "127.0.0.1")
    return f"http://{host}:{os.environ.get('KAOHE_API_PORT', '8100')}"
