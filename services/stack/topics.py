"""The topics of a stack: the registry's, with the partitions and further input topics of the settings."""

from schemas.topics import topics
from services.runtime.settings import TopicSettings
from services.runtime.topics import TopicSpec


def declared_topics(settings: TopicSettings) -> list[TopicSpec]:
    """All input topics, the main one first, as the registry declares them."""
    declared = topics(settings.events_topic, settings.input_topics, settings.partitions)
    return [TopicSpec(topic.name, topic.partitions, topic.settings) for topic in declared]
