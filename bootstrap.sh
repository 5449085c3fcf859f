#!/usr/bin/env bash
# Environment -> pictures -> prototxt -> level 1 -> level 2 -> level 3 -> report.
# Killed at any moment and started again with the same flags, it goes on where it was.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'EOF'
usage: ./bootstrap.sh [options]          train the whole cascade and report how good it is
       ./bootstrap.sh --test [PYTEST...] check the code and run the tests; with arguments of pytest only those tests

  --data PATH         zip or folder of the paper's pictures (default: DEEPLANDMARK_DATA, dataset/train, the download)
  --offline           do not download; without pictures, train on synthetic faces (into model-synthetic/)
  --points FILE       points of your own (docs/own_points.md); trains into model-NAME/ for NAME.json
  --variant NAME      paper (default), wide or original: the family of templates
  --recipe NAME       fast (default) or full: the training plan
  --set NAME=VALUE    a variable of the templates, such as rotation=20 (see deeplandmark generate --help); may be repeated
  --levels 1,2,3      levels to train (default: all)
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
EOF
}

data= offline= points= variant=paper recipe=fast levels=1,2,3 jobs= device=cpu precision=float32
seed=1 effort= copies= testing= sets=()
while [ $# -gt 0 ]; do
  case $1 in
    --data|--points|--variant|--recipe|--levels|--jobs|--device|--precision|--seed|--effort|--copies)
      [ $# -ge 2 ] || { echo "bootstrap.sh: $1 needs a value (see --help)" >&2; exit 2; }
      printf -v "${1#--}" %s "$2"; shift 2 ;;
    --set)
      [[ ${2:-} == *=* ]] || { echo "bootstrap.sh: --set needs NAME=VALUE (see --help)" >&2; exit 2; }
      sets+=(--set "$2"); shift 2 ;;
    --offline) offline=--offline; shift ;;
    --test) testing=1; shift; break ;;
    --help|-h) usage; exit 0 ;;
    *) echo "bootstrap.sh: unknown option $1 (see --help)" >&2; exit 2 ;;
  esac
done

refuse() { echo "bootstrap.sh: $* (see --help)" >&2; exit 2; }
one_of() {                                                       # FLAG VALUE CHOICE...
  local flag=$1 value=$2 choice; shift 2
  for choice; do [ "$value" != "$choice" ] || return 0; done
  refuse "$flag $value: invalid choice, known are $*"
}
whole() { [[ $2 =~ ^[0-9]{1,9}$ && $((10#$2)) -ge $3 ]] || refuse "$1 $2: not a whole number of at least $3"; }

one_of --variant "$variant" paper wide original
one_of --recipe "$recipe" fast full
one_of --precision "$precision" float32 bfloat16
whole --seed "$seed" 0
[ -z "$jobs" ] || whole --jobs "$jobs" 1
[ -z "$copies" ] || whole --copies "$copies" 1
[[ $effort =~ ^([0-9]*[.]?[0-9]+)?$ ]] || refuse "--effort $effort: not a number"
[[ $device =~ ^(cpu|cuda(:[0-9]+)?)$ ]] || refuse "--device $device: neither cpu nor cuda"
[[ $levels =~ ^[123](,[123])*$ ]] || refuse "--levels $levels: not a list of 1, 2 and 3 such as 2,3"

started=$SECONDS
clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# ---------------------------------------------------------------------------------------------------------- environment
# A virtual environment of our own; made again when setup.cfg or the extras change.
environment() {
  local extras=$1 stamp
  [ -z "${DEEPLANDMARK_PYTHON:-}" ] || return 0                  # somebody brings an environment along
  stamp=".venv/deeplandmark-$(cat setup.py setup.cfg pyproject.toml bootstrap.sh | cksum | cut -d' ' -f1)-$extras"
  if [ ! -e "$stamp" ]; then
    echo "environment: installing into .venv (a minute or two, more on a slow line)" >&2
    command -v python3 >/dev/null || { echo "bootstrap.sh: python3 is missing: apt install python3 python3-venv" >&2; exit 1; }
    [ -x .venv/bin/pip ] || python3 -m venv .venv || {
      echo "bootstrap.sh: python3 cannot make virtual environments: apt install python3-venv" >&2; exit 1; }
    .venv/bin/pip install --quiet --disable-pip-version-check torch==2.13.0
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

if [ -n "$testing" ]; then
  environment train,web,dev
  browser
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

# ------------------------------------------------------------------------------------------------------------- pictures
folder=$(deeplandmark find_data ${data:+--data "$data"} $offline ${points:+--points "$points"})
kind=
if [ -n "$points" ]; then kind=$(basename "$points"); kind=-${kind%.*}; fi
[ "$variant" = paper ] || kind=$kind-$variant
if [ -e "$folder/synthetic.json" ]; then                         # drawn, not photographed
  kind=-synthetic$kind effort=${effort:-0.1}
fi
model=model$kind log=log$kind train=train$kind result=result$kind

# A level stands on those before it: they are trained now or were trained earlier.
for level in 1 2 3; do
  case $levels in *"$level"*) continue ;; *[$((level + 1))-9]*) ;; *) break ;; esac
  compgen -G "$model/${level}_*.caffemodel" >/dev/null || {
    echo "bootstrap.sh: --levels $levels stands on level $level, which $model/ does not have; train it, too" >&2; exit 1; }
done

# ---------------------------------------------------------------------------------------------------------------- steps
# Share of the whole time that each step took on two cores with recipe fast: only for the estimate of the time left.
declare -A share=([generate]=1 [prepare_1]=4 [train_1]=48 [prepare_2]=5 [train_2]=17 [prepare_3]=5 [train_3]=17
                  [export_1]=1 [export_2]=1 [export_3]=1 [calibrate]=7 [view_loss]=1 [evaluate]=2)
case $variant-$recipe in                                         # longer training beside the same preparation
  wide-full) share+=([train_1]=210 [train_2]=26 [train_3]=26 [calibrate]=15) ;;
  paper-full) share+=([train_1]=96 [train_2]=34 [train_3]=34) ;;
esac
plan=(generate)
for level in ${levels//,/ }; do
  plan+=("prepare_$level" "train_$level")
  [ "$variant" = original ] || plan+=("export_$level")            # the original's cutting rule has no ONNX form
done
[ "$variant" = original ] || plan+=(calibrate)
plan+=(view_loss evaluate)
todo=0
for step in "${plan[@]}"; do todo=$((todo + ${share[$step]:-10})); done
paid=0 number=0 training_started=$SECONDS

step() {
  local name=$1 left=; shift
  number=$((number + 1))
  [ "$paid" -gt 5 ] && left=", about $(clock $(((SECONDS - training_started) * (todo - paid) / paid))) left"
  echo "[$number/${#plan[@]}] $name: $(clock $((SECONDS - started))) used$left" >&2
  "$@"
  paid=$((paid + ${share[$name]:-10}))
}

step generate deeplandmark generate --variant "$variant" --recipe "$recipe" --seed "$seed" \
  ${points:+--points "$points"} --train "$train" --model "$model" ${effort:+--effort "$effort"} \
  ${sets[@]+"${sets[@]}"}
start_from="--start-from $model"                                 # patches around what the level before predicts
[ "$variant" != original ] || start_from=                        # the original shifts the true points
for level in ${levels//,/ }; do
  step "prepare_$level" deeplandmark prepare "$level" --data "$folder" --out "$train" --variant "$variant" \
    ${points:+--points "$points"} --seed "$seed" $start_from ${copies:+--copies "$copies"} ${jobs:+--jobs "$jobs"}
  step "train_$level" deeplandmark train "$level" --variant "$variant" --device "$device" \
    --precision "$precision" ${points:+--points "$points"} --train "$train" --model "$model" --log "$log" \
    ${jobs:+--jobs "$jobs"} --end-with $$
  [ "$variant" = original ] ||                                   # quicker than torch where the next level starts from it
    step "export_$level" deeplandmark export --model "$model" "$model/cascade.onnx"
done
[ "$variant" = original ] || step calibrate deeplandmark calibrate --model "$model" --data "$folder"
step view_loss deeplandmark view_loss "$log" --out "$log/curves"
step evaluate deeplandmark evaluate --model "$model" --data "$folder" --out "$result"

echo "done in $(clock $((SECONDS - started))): the cascade is in $model/, loss curves in $log/curves/, the report in $result/" >&2
