"""componentize-py looks for a resource in a module that is named after its interface."""

from plugin import Decoder  # noqa: F401
