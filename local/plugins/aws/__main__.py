"""The plugin's executable."""

from local.plugins.base.stubs import without_the_sdk

if __name__ == "__main__":
    without_the_sdk()
    from local.plugins.aws.package import AwsPackage
    from local.plugins.base.server import serve

    serve(AwsPackage())
