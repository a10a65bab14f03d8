#!/bin/sh
# Install the programs that tests/real starts, if one is missing (Debian, Ubuntu).
# No system service is started, and no other package is removed for them.
set -eu

missing=
want() {
    [ -x "$1" ] || missing="$missing $2"
}
want /usr/lib/dovecot/imap dovecot-imapd
want /usr/lib/dovecot/lmtp dovecot-lmtpd
want /usr/lib/dovecot/pop3 dovecot-pop3d
want /usr/lib/dovecot/submission dovecot-submissiond
want /usr/sbin/imap4d mailutils-imap4d
want /usr/sbin/pop3d mailutils-pop3d
want /usr/sbin/exim4 exim4-daemon-light
want /usr/sbin/sshd openssh-server
want /usr/bin/ssh openssh-client
want /usr/bin/fetchmail fetchmail
want /usr/bin/mpop mpop
want /usr/bin/msmtp msmtp
want /usr/bin/mbsync isync
want /usr/bin/getmail getmail6
want /usr/bin/curl curl
# The reports of conformance runs are looked at in a browser, and checked against a schema.
want /usr/bin/chromium chromium
want /usr/bin/xmllint libxml2-utils
# The ledger's tests look at the system calls.
want /usr/bin/strace strace
# Postfix and OpenSMTPD would push Exim out, for each is the one mail-transport-agent. Their
# packages are only unpacked; tests/real/servers/private_root.py runs what is in them.
cache=/var/cache/mailhaul-tests
unpack=
for package in postfix opensmtpd; do
    [ -d "$cache/$package" ] || unpack="$unpack $package"
done
[ -n "$missing$unpack" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "install.sh: root is needed to install:$missing$unpack" >&2
    exit 1
fi

# Packages ask this script before they start a service; 101 means no. One that is there is
# the administrator's and stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get -q update
# shellcheck disable=SC2086 # one word for each package
libraries=$([ -z "$unpack" ] || apt-cache depends $unpack |
    sed -n 's/^ *|*[A-Za-z]*Depends: \(lib[^ ]*\)$/\1/p' | sort -u)
# shellcheck disable=SC2086
apt-get -q -y --no-remove --no-upgrade --no-install-recommends install $missing $libraries

for package in $unpack; do
    fresh=$cache/$package.new
    rm -rf "$fresh"
    mkdir -p "$fresh"
    chown _apt "$fresh"
    (cd "$fresh" && apt-get -q download "$package")
    mkdir "$fresh/root"
    dpkg -x "$fresh/$package"_*.deb "$fresh/root"
    mv "$fresh/root" "$cache/$package"
    rm -rf "$fresh"
done
