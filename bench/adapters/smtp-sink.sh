# Postfix's test sink: accepts everything, stores nothing.
supports() { [ "$CASE" = A ] || [ "$CASE" = E ] || [ "$CASE" = D ]; }
start() {
    refuse=
    [ "$CASE" != E ] || refuse="-f RCPT"
    LD_LIBRARY_PATH=$WORK/postfix/usr/lib/postfix "$WORK/postfix/usr/sbin/smtp-sink" \
        -u nobody -m 20000 $refuse "127.0.0.1:$PORT" 4096 >"$RUN/out" 2>&1 &
}
queued() { :; }
