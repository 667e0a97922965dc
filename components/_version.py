"""The version of the wheel and of the Pulumi package, in one place: the build reads it here too."""

VERSION = "0.1.0"
