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
# Debian installs one mail server at a time: two more are unpacked, and started from where they lie.
unpacked=/var/cache/mailhaul-tests
want "$unpacked/postfix/usr/sbin/postfix" unpack:postfix
want "$unpacked/opensmtpd/usr/sbin/smtpd" unpack:opensmtpd
# The ledger's tests look at the system calls.
want /usr/bin/strace strace
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "install.sh: root is needed to install:$missing" >&2
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
install=
for package in $missing; do
    case $package in
    unpack:*) ;;
    *) install="$install $package" ;;
    esac
done
# shellcheck disable=SC2086 # one word for each package
[ -z "$install" ] || apt-get -q -y --no-remove --no-install-recommends install $install

for package in $missing; do
    case $package in
    unpack:*)
        name=${package#unpack:}
        draft=$(mktemp -d)
        # What they need of others is a matter of a few libraries.
        libraries=$(apt-cache depends "$name" | sed -n 's/^ *Depends: \(lib[a-z0-9.+-]*\)$/\1/p')
        # shellcheck disable=SC2086
        apt-get -q -y --no-remove --no-install-recommends install $libraries
        (cd "$draft" && apt-get -q download "$name" && dpkg -x "$name"_*.deb "$draft/$name")
        mkdir -p "$unpacked"
        rm -rf "${unpacked:?}/$name"
        mv "$draft/$name" "$unpacked/$name"
        rm -rf "$draft"
        ;;
    esac
done
for user in opensmtpd opensmtpq; do
    getent passwd "$user" >/dev/null ||
        useradd --system --no-create-home --user-group --home-dir /var/lib/opensmtpd/empty \
            --shell /usr/sbin/nologin "$user"
done
