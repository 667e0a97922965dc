"""The plugin's executable."""

from local.plugins.base.stubs import without_the_sdk

if __name__ == "__main__":
    without_the_sdk()
    from local.plugins.base.server import serve
    from local.plugins.kubernetes.package import KubernetesPackage
    from local.plugins.kubernetes.servicer import KubernetesServicer

    serve(KubernetesPackage(), KubernetesServicer)
