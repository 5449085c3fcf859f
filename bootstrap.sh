#!/usr/bin/env bash
# Environment -> pictures -> the steps of a system: prototxt -> samples and training, level by level -> report.
# Killed at any moment and started again with the same flags, it goes on where it was.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'EOF'
usage: ./bootstrap.sh [options]          train the whole cascade and report how good it is
       ./bootstrap.sh --system NAME ...  train a detector of faces instead, or a network for the pose of heads
       ./bootstrap.sh --test [PYTEST...] check the code and run the tests; with arguments of pytest only those tests

  --data PATH         zip or folder of the paper's pictures (default: DEEPLANDMARK_DATA, dataset/train, the download),
                      or faces labelled in any format: .xml, .json, .csv, a folder of .pts ... (docs/formats.md)
  --offline           do not download; without pictures, train on synthetic faces (into model-synthetic/)
  --points FILE       points of your own (docs/own_points.md); trains into model-NAME/ for NAME.json
  --variant NAME      the family of networks: paper (default), wide, light, best ... (deeplandmark plan --help)
  --recipe NAME       fast (default) or full: the training plan
  --set NAME=VALUE    a variable of the templates, such as rotation=20 (see deeplandmark generate --help); may be repeated
  --levels 1,2,3      levels to train (default: all)
  --system NAME       a detector: single_shot or mtcnn, with it --negatives and --more; or pose: --data has 68 points;
                      or cascade (default) or regressor, one network for all points (its --variant: compact)
  --negatives PATH    folder or zip of pictures that show no face
  --more LIST         a further list of faces, or a zip with one in it; may be repeated
  --jobs N            processes that train at a time (default: one a core; 1 on a GPU)
  --device NAME       cpu (default), cuda or cuda:N
  --precision NAME    float32 (default) or bfloat16: of the maps while training
  --seed N            makes a whole run repeatable (default: 1)
  --effort X          factor on the number of iterations (default: 1; synthetic faces 0.1)
  --copies N          samples of each face with --variant original, each under a new shift (default: 8)
  --help

It leaves model/ (the cascade), log/ (Caffe logs and loss curves) and result/ (table, histograms, pictures);
model-wide/, model-synthetic/ ... with --variant, synthetic faces or --points. The published weights are those of
--variant wide --recipe full. DEEPLANDMARK_PYTHON=python uses that environment instead of making one in .venv/.

examples:
  ./bootstrap.sh --data train.zip
  ./bootstrap.sh --data train.zip --variant wide --recipe full
  ./bootstrap.sh --offline
  ./bootstrap.sh --levels 2,3 --jobs 2 --seed 7
  ./bootstrap.sh --data pictures --points mouth.json
  ./bootstrap.sh --data labels.xml --points 68 --variant face112
  ./bootstrap.sh --system single_shot --data train.zip --negatives noface.zip --more faces68-train.zip
  ./bootstrap.sh --system pose --data labels68.csv
EOF
}

data= offline= points= system= testing= device= options=()
while [ $# -gt 0 ]; do
  case $1 in
    --data|--points|--variant|--recipe|--levels|--jobs|--device|--precision|--seed|--effort|--copies|--set|--system|--negatives|--more)
      [ $# -ge 2 ] || { echo "bootstrap.sh: $1 needs a value (see --help)" >&2; exit 2; }
      case $1 in
        --data) data=$2 ;;
        --points) points=$2; options+=("$1" "$2") ;;
        --system) system=$2; options+=("$1" "$2") ;;
        --device) device=$2; options+=("$1" "$2") ;;
        *) options+=("$1" "$2") ;;
      esac
      shift 2 ;;
    --offline) offline=--offline; shift ;;
    --test) testing=1; shift; break ;;
    --help|-h) usage; exit 0 ;;
    *) echo "bootstrap.sh: unknown option $1 (see --help)" >&2; exit 2 ;;
  esac
done

started=$SECONDS
clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# ---------------------------------------------------------------------------------------------------------- environment
# Which build of torch: on Linux, pip's own brings CUDA's libraries with it, gigabytes that need an NVIDIA GPU.
torch_build() {
  [ "$(uname -s)" = Linux ] || { echo default; return; }
  case $device in
    cuda*) echo cuda ;;
    cpu) echo cpu ;;
    *) if command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; then echo cuda; else echo cpu; fi ;;
  esac
}

install_torch() {
  local pip=(.venv/bin/pip install --quiet --disable-pip-version-check)
  if [ "$1" = cpu ]; then
    echo "environment: torch for processors, 200 MB to download (--device cuda: the one for NVIDIA GPUs)" >&2
    "${pip[@]}" --retries 1 --index-url https://download.pytorch.org/whl/cpu torch==2.13.0 && return
    echo "environment: not to be had from download.pytorch.org; the usual one instead, with CUDA some 3 GB" >&2
  elif [ "$1" = cuda ]; then
    echo "environment: torch for NVIDIA GPUs, some 3 GB to download (--device cpu: 200 MB)" >&2
    .venv/bin/pip uninstall --quiet --yes torch                  # one for processors would count as the same version
  fi
  "${pip[@]}" torch==2.13.0
}

# A virtual environment of our own; made again when setup.cfg, the extras or the build of torch change.
environment() {
  local extras=$1 build stamp
  [ -z "${DEEPLANDMARK_PYTHON:-}" ] || return 0                  # somebody brings an environment along
  build=$(torch_build)
  stamp=".venv/deeplandmark-$(cat setup.py setup.cfg pyproject.toml bootstrap.sh | cksum | cut -d' ' -f1)-$extras-$build"
  if [ ! -e "$stamp" ]; then
    echo "environment: installing into .venv (a minute or two, more on a slow line)" >&2
    command -v python3 >/dev/null || { echo "bootstrap.sh: python3 is missing: apt install python3 python3-venv" >&2; exit 1; }
    [ -x .venv/bin/pip ] || python3 -m venv .venv || {
      echo "bootstrap.sh: python3 cannot make virtual environments: apt install python3-venv" >&2; exit 1; }
    install_torch "$build"
    .venv/bin/pip install --quiet --disable-pip-version-check --editable ".[$extras]"
    touch "$stamp"
  fi
}

python() { "${DEEPLANDMARK_PYTHON:-.venv/bin/python}" "$@"; }
deeplandmark() { python -m deeplandmark "$@"; }

# The page is tested in Chromium where apt can install it; elsewhere those tests are skipped.
browser() {
  command -v chromium >/dev/null && command -v chromedriver >/dev/null && return 0
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "browser: installing chromium by apt (a minute or two)" >&2
    DEBIAN_FRONTEND=noninteractive timeout 300 bash -c 'apt-get update -qq &&
      apt-get install -y -qq --no-install-recommends chromium chromium-driver' </dev/null &>/dev/null && return 0
  fi
  echo "bootstrap.sh: SKIPPED: the tests in a browser; they need chromium (apt install chromium chromium-driver)" >&2
}

# The page that needs no server is also tested with ONNX Runtime's wasm where npm can fetch it.
wasm() {
  local kept=$PWD/.venv/onnxruntime-web-1.30.0.tgz
  [ -z "${DEEPLANDMARK_ONNXRUNTIME_WEB:-}" ] || return 0
  if [ ! -e "$kept" ] && command -v npm >/dev/null; then
    mkdir -p .venv
    (cd .venv && timeout 120 npm pack --silent onnxruntime-web@1.30.0 </dev/null) &>/dev/null || rm -f "$kept"
  fi
  if [ -e "$kept" ]; then
    export DEEPLANDMARK_ONNXRUNTIME_WEB=$kept
  else
    echo "bootstrap.sh: SKIPPED: a test with ONNX Runtime's wasm; it needs npm, and that its registry is reached" >&2
  fi
}

if [ -n "$testing" ]; then
  environment train,web,cluster,docs,dev
  browser
  wasm
  if [ $# -eq 0 ]; then                                          # all of them: on every core, one thread each
    python -m ruff check .
    python -m mypy
    set -- --numprocesses auto
  fi
  OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} python -m pytest "$@"
  exit
fi
# One run at a time in a folder. What a killed run left behind ends by itself when it notices.
lock() {
  command -v flock >/dev/null || return 0
  exec 9> .bootstrap.lock
  flock -n 9 && return 0
  echo "another run is at work in this folder; waiting up to a minute for its end" >&2
  flock -w 60 9 || { echo "bootstrap.sh: another run is at work in this folder" >&2; exit 1; }
}
lock
environment train

deeplandmark plan --check ${options[@]+"${options[@]}"}           # what is wrong in the options, before any work

# ------------------------------------------------------------------------------------------------------------- pictures
folder=$(deeplandmark find_data ${data:+--data "$data"} $offline ${points:+--points "$points"} \
                               ${system:+--system "$system"})

# ---------------------------------------------------------------------------------------------------------------- steps
# The code knows which steps a family takes, and about how long: `deeplandmark plan` shows them.
plan=$(deeplandmark plan --shell --data "$folder" --end-with $$ ${options[@]+"${options[@]}"})
paid=0 number=0 training_started=$SECONDS

step() {                                                         # NAME MINUTES VERB ARGUMENTS...
  local name=$1 minutes=$2 left=; shift 2
  number=$((number + 1))
  [ "$paid" -gt 5 ] && left=", about $(clock $(((SECONDS - training_started) * (todo - paid) / paid))) left"
  echo "[$number/$steps] $name: $(clock $((SECONDS - started))) used$left" >&2
  deeplandmark "$@"
  paid=$((paid + minutes))
}

eval "$plan"
echo "done in $(clock $((SECONDS - started))): the model is in $model/, loss curves in $log/curves/, the report in $result/" >&2
