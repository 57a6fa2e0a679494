"""Compiled reading: an operation that comes again runs as a plan over whole lists of documents, not field by field.

``steps``        what a plan is made of: functions from a list of values to as many answers
``leaves``       scalars and enums          ``relations``    links, children and connections, one command each
``completion``   lists, nulls and types     ``compiler``     from a selection to steps
``plans``        the cache, and the way back to the ordinary executor

A plan never reports an error: whatever does not fit is run again by the ordinary executor, in whose words it is told.
"""

from schema.compiled.plans import Plans

__all__ = ["Plans"]
