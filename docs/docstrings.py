"""Reads the docstrings of the package for the API page."""

import griffe


class RunnableExamples(griffe.Extension):
    """`Example:` is our heading of doctests; Griffe shows code and output for `Examples:` only."""

    def on_object(self, *, obj: griffe.Object, **kwargs) -> None:
        """Rename the heading in the docstring that was read, before it is parsed."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
