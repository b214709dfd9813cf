#!/usr/bin/env bash
# From a bare Debian 12 to a rehearsal in containers: installs podman, makes a base image, builds the
# project's image, runs the pipeline on the sample in it, and rehearses the compiled package twice,
# plain and as on a cluster. All three must come to the same accuracy.
#
#   kubernetes/rehearse-on-bare-debian.sh [FOLDER]
#
# As root, with a package mirror in reach; takes about 15 minutes, and 12 GB below FOLDER
# (/var/tmp/dogbreed) and in podman's storage. What is there from an earlier time is used again.
set -euo pipefail

work=${1:-/var/tmp/dogbreed}
project=$(cd "$(dirname "$0")/.." && pwd)
base=localhost/dogbreed-base:trixie
image=localhost/dogbreed:latest
[ "$(id -u)" = 0 ] || { echo "This installs packages and makes a file system: run it as root."; exit 1; }
say() { printf '== %s, after %d s\n' "$*" "$SECONDS"; }

say "podman"
packages=(podman runc netavark catatonit iptables debootstrap ca-certificates)
if ! dpkg-query --show "${packages[@]}" >/dev/null 2>&1; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
mkdir -p "$work"
# runc, because crun refuses hybrid control groups; limits that are alike, because podman 4.3's API
# confuses the two; a file, because there may be no journal.
cat > "$work/containers.conf" <<'CONF'
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]
[engine]
runtime = "runc"
events_logger = "file"
[network]
network_backend = "netavark"
CONF
export CONTAINERS_CONF=$work/containers.conf

say "base image"
if ! podman image exists "$base"; then
    root=$work/base
    rm -rf "$root"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates trixie "$root" \
        > "$work/debootstrap.log" || { tail "$work/debootstrap.log"; exit 1; }
    # Whom this machine trusts, its containers trust as well.
    cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"
    chroot "$root" update-ca-certificates >/dev/null 2>&1
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
    bundle=/etc/ssl/certs/ca-certificates.crt
    tar --directory "$root" --create . | podman import --quiet \
        --change ENV=SSL_CERT_FILE=$bundle --change ENV=PIP_CERT=$bundle - "$base" >/dev/null
    rm -rf "$root"
fi

say "the project's image"
podman build --isolation chroot --network host --file "$project/kubernetes/image/Dockerfile" \
    --build-arg "BASE=$base" --tag "$image" "$project" > "$work/build.log" 2>&1 \
    || { tail -n 30 "$work/build.log"; exit 1; }

say "run"
socket=$work/podman.sock
podman system service --time=0 "unix://$socket" > "$work/service.log" 2>&1 &
service=$!
trap 'kill "$service"' EXIT
# The folder has the same name inside, for the steps' containers are started beside this one.
in_image() {
    podman run --rm --user 0:0 --network none --read-only --tmpfs /tmp --volume "$work:$work" \
        --workdir "$work" --env "DOCKER_HOST=unix://$socket" "$image" "$@"
}
accuracy() { sed -n 's/^Accuracy *\([0-9.]*\).*/\1/p' "$1"; }
rm -rf "$work/runs"
in_image dogbreed run | tee "$work/run.txt"

say "compile and rehearse"
in_image dogbreed compile --out "$work/pipeline.yaml" --set "kubeflow.image=$image"
records=$work/runs/sample/records
in_image dogbreed rehearse "$work/pipeline.yaml" --in containers --data "$records" \
    --root "$work/runs/plain" | tee "$work/plain.txt"
in_image dogbreed rehearse "$work/pipeline.yaml" --in containers --data "$records" --like-cluster \
    --root "$work/runs/like-cluster" | tee "$work/like-cluster.txt"

if command -v kubectl >/dev/null; then
    say "the model server's pod"
    "$project/kubernetes/try-serving-pod.sh" "$work/runs/sample/served" "$image"
fi

say "verdict"
for name in run plain like-cluster; do
    printf '%-12s accuracy %s\n' "$name" "$(accuracy "$work/$name.txt")"
done
[ -n "$(accuracy "$work/run.txt")" ]
[ "$(accuracy "$work/run.txt")" = "$(accuracy "$work/plain.txt")" ]
[ "$(accuracy "$work/run.txt")" = "$(accuracy "$work/like-cluster.txt")" ]
echo "All the same."
