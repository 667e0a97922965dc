"""What every resource plugin in Python shares: the provider protocol, and resource types as declarations.

A plugin declares its resource types (`resource.Resource`) and functions (`resource.Function`) by their properties
(`properties.Property`) and writes create, read, update and delete. Everything that can be derived from the
declarations is done here: Check, Diff, previews, secrets, unknowns, imports, partial failures, the schema.

The protocol is
https://pulumi-developer-docs.readthedocs.io/latest/docs/architecture/providers/README.html.
"""
