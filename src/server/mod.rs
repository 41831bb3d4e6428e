//! Start, stop, and the one place that turns configuration into runtime objects.
