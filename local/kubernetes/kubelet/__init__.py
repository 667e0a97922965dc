"""The kubelet of all nodes of a cluster, as far as the API server talks to one: ``kubectl exec`` and ``kubectl logs``.

kwok says what a kubelet says of nodes and pods. It could serve these two as well, but its ``exec`` loses a
command's exit code, its port takes anybody for the API server, and what it should do has to be written into the
cluster for every pod beforehand. So they are served here:

- :mod:`.server` lets in the API server, by its client certificate, and nobody else;
- :mod:`.sandbox` makes what a pod's commands find: their variables, a home, tokens;
- :mod:`.commands` runs them, on this machine, and joins them to the client's streams;
- :mod:`.websocket` is what the streams travel in.

No container runs: images are not pulled, and a container's own command is not started.

https://kubernetes.io/docs/concepts/architecture/control-plane-node-communication/#api-server-to-kubelet
"""
