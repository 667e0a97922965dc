"""Pulumi's language host for Python programs, plugins and policy packs, written on the SDK's own gRPC stubs.

It does what an engine that cannot have the official ``pulumi-language-python`` needs to run programs that use the
``pip`` toolchain. Code generation (``pulumi package add``, ``gen-sdk``, ``convert``) is left to the official one.
See https://pulumi-developer-docs.readthedocs.io/latest/docs/architecture/languages.html.
"""
