# The floor: group commit to one log and nothing else (bench/refsrv.c).
supports() { [ "$CASE" = A ]; }
start() { "$BUILD/bench/refsrv" "$PORT" "$RUN/log" "$(nproc)" >"$RUN/out" 2>&1 & }
queued() { grep -ac '^Message-ID: <' "$RUN/log"; }
