"""Tests of the plugins' shared base and of the plugin aws."""
