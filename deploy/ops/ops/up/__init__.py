"""Everything on one machine: what is started, where, in which order, and how it is shown."""
