"""Wire formats by name: ``DIALECTS['openai-chat']``. Each is a file of pure functions behind ``base.Dialect``."""

from __future__ import annotations

from providers.dialects.base import Dialect
from providers.dialects.openai_chat import OpenAIChat

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (OpenAIChat(),)}
