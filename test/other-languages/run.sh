#!/usr/bin/env bash
# The SDKs of Python and Go, and an OpenTelemetry Collector, as Debian's unstable release has them, against `spanledger collect`.
# As root on Debian, with debootstrap:   test/other-languages/run.sh FOLDER
# FOLDER takes 3 GB the first time, in about ten minutes, and is used again. Ports: 14317, 14318, 24317, 24318 of 127.0.0.1.
set -euo pipefail
folder=${1:?Name a folder for the Debian system.}
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
if [ ! -e "$folder/installed" ]; then
  debootstrap --variant=minbase --include=ca-certificates sid "$folder"
  chroot "$folder" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    python3-opentelemetry-sdk python3-opentelemetry-exporter-otlp \
    golang-go golang-opentelemetry-otel-dev golang-opentelemetry-contrib-dev golang-opentelemetry-collector-dev
  touch "$folder/installed"
fi
cp "$root/examples/collector/app.py" "$root/examples/collector/app.go" "$here/collector.go" "$here/collector.yaml" "$folder/"
for program in app collector; do
  chroot "$folder" env GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=/var/cache/go HOME=/root go build -o "/$program" "/$program.go"
done
# What `opentelemetry-instrument` does. Debian's grpc is older than what its exporter was made with, and lacks a parameter that changes nothing here.
cat > "$folder/run.py" <<'PY'
import warnings

warnings.simplefilter("ignore")
import grpc._channel as channel

made = channel.Channel.unary_unary
channel.Channel.unary_unary = lambda self, *args, _registered_method=None, **more: made(self, *args, **more)
from opentelemetry.sdk._configuration import _OTelSDKConfigurator

_OTelSDKConfigurator().configure()
exec(open("/app.py").read())
PY

work=$(mktemp -d)
token=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
started=()
stop() { for pid in "${started[@]}"; do kill -TERM "$pid" 2> /dev/null && wait "$pid" || true; done; started=(); }
trap 'stop; rm -rf "$work"' EXIT
# $1: the kind of address; the rest: a program of the system in the folder.
send() {
  local to=$1
  shift
  case $to in
    http) set -- OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:14318 "$@" ;;
    grpc) set -- OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:14317 "$@" ;;
    http-by-collector) set -- OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:24318 "$@" ;;
    grpc-by-collector) set -- OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:24317 "$@" ;;
  esac
  chroot "$folder" env OTEL_TRACES_EXPORTER=otlp OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none OTEL_TRACES_SAMPLER=always_on \
    OTEL_RESOURCE_ATTRIBUTES=service.name=shop,property.team=search OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20$token" "$@"
}

# The Collector first: it keeps what it cannot send yet.
chroot "$folder" env SPANLEDGER_COLLECT_TOKEN="$token" /collector --config /collector.yaml > "$work/collector.log" 2>&1 &
started+=($!)
sleep 5
for to in http-by-collector grpc-by-collector; do
  send $to python3 /run.py
  send $to /app
done
node "$root/packages/reporter/bin/spanledger.mjs" collect --store "$work/costs.db" --http-port 14318 --grpc-port 14317 --token "$token" &
ledger=$!
sleep 3
for to in http grpc http-by-collector grpc-by-collector; do
  send $to python3 /run.py
  send $to /app
done
# It tries again after at most this long.
sleep 15
stop
kill -TERM $ledger && wait $ledger
found=$(node "$root/packages/reporter/bin/spanledger.mjs" query --store "$work/costs.db" --format csv \
  '{"metrics":["requests","input_tokens","output_tokens","cost_usd"],"by":["user","property:team","model"]}')
echo "$found"
# Six runs of two programs, one call of 1,000 and 100 tokens each.
grep -q '^ada,search,gpt-4o/openai,12,12000,1200,0.042000000' <<< "$found"
echo "Each call once, of whom it is."
