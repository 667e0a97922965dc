"""EKS Pod Identity in the local twin: what on EKS a webhook, an agent and a service do.

Nothing in it is pretended. A pod whose ServiceAccount has an association is changed as it is admitted
(:mod:`.admission`); a token that the API server signs for it is put where its commands find it
(:mod:`local.kubernetes.kubelet`); an agent trades the token (:mod:`.agent`) at EKS Auth, which verifies it with the
cluster's keys (:mod:`.tokens`) and issues credentials of the associated role.

:class:`.cluster.ClusterPodIdentity` puts together what one cluster needs; :class:`.service.PodIdentity` has one for
each cluster of the endpoint, and is what EKS Auth asks.

https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
"""
