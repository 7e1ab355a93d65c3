"""What case G needs: a zone that authorizes the load generator, and a message signed for it."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + '/tests/lib')
import dkim  # noqa: E402

NAME = 'sender.example'
TTL = 3600


def zone():
    yield NAME, 'A', '127.0.0.1'
    yield NAME, 'MX', f'10 client.{NAME}.'
    yield f'client.{NAME}', 'A', '127.0.0.1'
    yield f'client.{NAME}', 'TXT', '"v=spf1 a -all"'
    yield '1.0.0.127.in-addr.arpa', 'PTR', f'client.{NAME}.'
    yield NAME, 'TXT', f'"v=spf1 include:a.{NAME} include:b.{NAME} -all"'
    yield f'a.{NAME}', 'TXT', '"v=spf1 ' + ' '.join(f'ip4:192.0.2.{16 * i}/28' for i in range(8)) + ' -all"'
    yield f'b.{NAME}', 'TXT', '"v=spf1 ip4:198.51.100.0/24 ip4:127.0.0.1 -all"'
    yield f'_dmarc.{NAME}', 'TXT', '"v=DMARC1; p=reject; adkim=s; aspf=s"'
    yield f'sel._domainkey.{NAME}', 'TXT', dkim.record()


def prepare(work):
    """work/unbound.conf answers for the zone, work/resolv.conf asks there; work/signed.eml is 10 KB, signed rsa-sha256, relaxed/relaxed."""
    lines = ['server:', 'interface: 127.0.0.1', 'port: 53', 'do-daemonize: no', 'chroot: ""', 'username: ""',
             'directory: "/run"', 'pidfile: "/run/unbound.pid"', 'use-syslog: no', 'verbosity: 0',
             'access-control: 127.0.0.0/8 allow', 'do-not-query-localhost: no', 'module-config: "iterator"',
             'local-zone: "." static']
    lines += [f"local-data: '{name}. {TTL} IN {kind} {data}'" for name, kind, data in zone()]
    lines += ['remote-control:', 'control-enable: no', '']
    with open(work + '/unbound.conf', 'w') as file:
        file.write('\n'.join(lines))
    with open(work + '/resolv.conf', 'w') as file:
        file.write('nameserver 127.0.0.1\n')
    head = (f'From: Sender <sender@{NAME}>\r\nTo: user@bench.example\r\nSubject: benchmark\r\n'
            'Date: Sat, 1 Aug 2026 12:00:00 +0000\r\n')
    body = ''.join(f'{i:08} abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456\r\n' for i in range(135))
    with open(work + '/signed.eml', 'w', newline='') as file:
        file.write(dkim.sign(head, body, NAME) + '\r\n' + body)
