"""The kubelet of all nodes of a cluster: ``kubectl exec``, ``kubectl logs``, and the containers that run.

kwok says what a kubelet says of nodes, and of pods whose containers are simulated. It could serve the first two as
well, but its ``exec`` loses a command's exit code, its port takes anybody for the API server, and what it should do has
to be written into the cluster for every pod beforehand. So they are served here:

- :mod:`.server` lets in the API server, by its client certificate, and nobody else;
- :mod:`.sandbox` makes what a pod's commands find: their variables, a home, and their volumes;
- :mod:`.commands` runs them, on this machine, and joins a client's to its streams;
- :mod:`.websocket` is what the streams travel in;
- :mod:`.containers` runs the commands of containers whose image is the AWS CLI's, and :mod:`.logs` keeps what they say;
- :mod:`.leftovers` ends what is left of all of them.

Images are not pulled, and the commands of other images are not started.

https://kubernetes.io/docs/concepts/architecture/control-plane-node-communication/#api-server-to-kubelet
"""
