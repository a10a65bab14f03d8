#!/bin/sh
# Install the programs that tests/real starts, if one is missing (Debian, Ubuntu); with the word
# "matrix" also those that only tests/matrix starts, with "bench" those that bench starts, with
# "comparison" those that tests/comparison starts.
# No system service is started, and no other package is removed for them.
set -eu

matrix= bench= comparison=
case ${1:-} in
matrix) matrix=yes ;;
bench) bench=yes ;;
comparison) comparison=yes ;;
esac
missing=
want() {
    [ -e "$1" ] || missing="$missing $2"
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
# Completions are tried in each shell.
want /usr/bin/zsh zsh
want /usr/bin/fish fish
# The ledger's tests look at the system calls.
want /usr/bin/strace strace
# The issuer of OAuth tokens runs on it.
want /usr/bin/node nodejs
# The store that several machines share.
[ -n "$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ] || missing="$missing postgresql"
# A benchmark's small programs are compiled.
want /usr/bin/cc gcc
want /usr/include/stdio.h libc6-dev
if [ "$comparison" ]; then
    want /usr/bin/time time
fi
if [ "$matrix$comparison" ]; then
    want /usr/bin/offlineimap offlineimap3
fi
if [ "$matrix$comparison$bench" ]; then
    want /usr/bin/fdm fdm
fi
if [ "$matrix" ]; then
    want /usr/bin/swaks swaks
    want /usr/share/doc/libnet-ssleay-perl/copyright libnet-ssleay-perl
    # For sendmail, and for Cyrus.
    want /usr/bin/m4 m4
    want /usr/sbin/saslpasswd2 sasl2-bin
    want /usr/share/doc/libsasl2-modules/copyright libsasl2-modules
fi
# These would push Exim or Dovecot out, for each is the one mail-transport-agent, imap-server or
# pop3-server. Their packages are only unpacked, into one folder for each product;
# tests/real/servers/private_root.py runs what is in them.
cache=/var/cache/mailhaul-tests
packages_of() {
    case $1 in
    cyrus) echo cyrus-common cyrus-imapd cyrus-pop3d ;;
    courier) echo courier-base courier-imap courier-pop courier-authlib \
        courier-authdaemon courier-authlib-userdb gamin ;;
    sendmail) echo sendmail-bin sendmail-base sendmail-cf ;;
    *) echo "$1" ;;
    esac
}
unpack=
for product in postfix opensmtpd ${matrix:+cyrus courier popa3d sendmail}; do
    [ -d "$cache/$product" ] || unpack="$unpack $product"
done
# The servers for Node.js get a folder of their own too.
fetch=
[ -z "$matrix" ] || [ -d "$cache/npm" ] || fetch=" npm"
# The issuer is what its lock file says, with everything that it needs, by checksum.
pinned=$(dirname "$0")/servers/npm
cmp -s "$pinned/package-lock.json" "$cache/issuer/package-lock.json" || fetch="$fetch issuer"
[ -z "$fetch" ] || command -v npm >/dev/null || missing="$missing npm"
[ -n "$missing$unpack$fetch" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "install.sh: root is needed to install:$missing$unpack$fetch" >&2
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
[ -z "$missing$unpack$bench" ] || apt-get -q update
# Debian does not have it; others may.
[ -z "$bench" ] || [ -z "$(apt-cache search --names-only '^imapsync$')" ] || missing="$missing imapsync"
# Debian 13 no longer has fdm and gamin: what needs one of them cannot run there.
offered() {
    for package; do
        if [ "$(apt-cache show "$package" 2>/dev/null)" ]; then
            echo "$package"
        else
            echo "install.sh: this system offers no package $package" >&2
        fi
    done
}
# shellcheck disable=SC2086 # one word for each package
missing=$(offered $missing)
# shellcheck disable=SC2046,SC2086
packages=$(offered $(for product in $unpack; do packages_of "$product"; done))
# shellcheck disable=SC2086
libraries=$([ -z "$packages" ] || apt-cache depends $packages |
    sed -n 's/^ *|*[A-Za-z]*Depends: \(lib[^ ]*\)$/\1/p' | sort -u)
# shellcheck disable=SC2086
[ -z "$missing$libraries" ] ||
    apt-get -q -y --no-remove --no-upgrade --no-install-recommends install $missing $libraries

for product in $unpack; do
    fresh=$cache/$product.new
    rm -rf "$fresh"
    mkdir -p "$fresh/root"
    chown _apt "$fresh"
    # shellcheck disable=SC2046 # one word for each package
    (cd "$fresh" && apt-get -q download $(offered $(packages_of "$product") 2>/dev/null))
    for file in "$fresh"/*.deb; do
        dpkg -x "$file" "$fresh/root"
    done
    mv "$fresh/root" "$cache/$product"
    rm -rf "$fresh"
done

for name in $fetch; do
    fresh=$cache/$name.new
    rm -rf "$fresh"
    mkdir -p "$fresh"
    case $name in
    npm)
        npm install --silent --no-audit --no-fund --prefix "$fresh" \
            smtp-server@3.21.6 hoodiecrow-imap@2.1.0
        ;;
    issuer)
        cp "$pinned/package.json" "$pinned/package-lock.json" "$fresh"
        npm ci --silent --no-audit --no-fund --prefix "$fresh"
        ;;
    esac
    rm -rf "${cache:?}/$name"
    mv "$fresh" "$cache/$name"
done
