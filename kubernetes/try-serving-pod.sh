#!/usr/bin/env bash
# Plays the model server's pod with podman and asks it, over gRPC, about the pictures that a pushed
# model brings along.
#
#   kubernetes/try-serving-pod.sh runs/sample/served [IMAGE]
#
# Needs podman, kubectl, and the image that 'dogbreed image build' made (localhost/dogbreed:latest).
set -euo pipefail

served=${1:?usage: $0 FOLDER-OF-VERSIONS [IMAGE]}
image=${2:-localhost/dogbreed:latest}
here=$(cd "$(dirname "$0")" && pwd)
container=model-server-pod-0-model-server

for program in podman kubectl; do
    command -v "$program" >/dev/null || { echo "$program is not installed."; exit 1; }
done
podman image exists "$image" || { echo "There is no image $image: 'dogbreed image build' makes it."; exit 1; }
compgen -G "$served/*/saved_model.pb" >/dev/null || { echo "$served holds no version of a model."; exit 1; }

manifest=$(kubectl kustomize "$here/overlays/podman" | sed "s#image: localhost/dogbreed:latest#image: $image#")
# Podman makes a volume of the ConfigMap, too.
volumes=(dogbreed-models "$(sed -n 's/^  name: \(model-server-[a-z0-9]*\)$/\1/p' <<<"$manifest" | head -n 1)")
for volume in "${volumes[@]}"; do
    podman volume exists "$volume" && { echo "Podman has a volume $volume already: is the pod being played elsewhere?"; exit 1; }
done
scratch=$(mktemp -d)
clean_up() {
    podman pod rm --force --time 5 model-server-pod-0 >/dev/null 2>&1 || true
    podman volume rm --force "${volumes[@]}" >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap clean_up EXIT

# The Pusher's claim, as a volume of podman's, with the folder in it that the server watches.
mkdir -p "$scratch/volume/dogbreed"
cp -r "$served"/[0-9]* "$scratch/volume/dogbreed/"
chmod -R a+rX "$scratch/volume"
podman volume create dogbreed-models >/dev/null
tar --directory "$scratch/volume" --create . | podman volume import dogbreed-models -

podman kube play - <<<"$manifest" >"$scratch/play.log" 2>&1 || { cat "$scratch/play.log"; exit 1; }

in_pod() { podman exec "$container" "$@"; }

# What the kubelet would ask before it lets calls through.
status='import json, urllib.request as r; print(json.load(r.urlopen("http://localhost:8501/v1/models/dogbreed"))["model_version_status"])'
for _ in $(seq 60); do
    in_pod python -c "$status" 2>/dev/null && break
    running=$(podman container inspect --format '{{.State.Running}}' "$container")
    [ "$running" = true ] || { podman logs "$container"; echo "The model server ended."; exit 1; }
    sleep 2
done

in_pod sh -c 'dogbreed predict --wait --timeout 60 --top 1 --csv /models/dogbreed/*/assets.extra/samples'
