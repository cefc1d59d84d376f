#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Who may talk to whom: wrong, swapped and unknown keys on either side, keys that others can read, and a CA whose
# certificates have the wrong name, are expired, or come from another CA. A refusal ends in exit 4 and says why.
. tests/functional/lib.sh
. tests/functional/daemons.sh

noise a 300000
cp a b
new_site
add_device web1 "$T/a" "$T/b"
new_key other >other.key
key_other=$(cat other.key)

# refused WORDS: no link comes about, and the compare says so.
refused()
{
	start_secondary
	start_primary
	expect_device 4 --link-timeout 1s web1
	says "$1"
	is_up && die "the link is up"
	stop_all
}
# with SIDE SED: the configuration of that side as changed, for one refusal; put_back after it.
with() { cp "$1.conf" saved.conf && saved=$1 && sed -i "$2" "$1.conf"; }
put_back() { mv saved.conf "$saved.conf"; }
start_secondary # fixes the port
stop_all

with secondary "s/^key = .*/key = $key_other/"
refused "does not know this side's key"
grep -q "$key_a" secondary.log || die "the secondary does not log whom it refused"
put_back
with primary "s/^key = .*/key = $key_other/"
refused "key $key_b is not known here"
put_back
cp b.pem b.pem.good
cat a.pem >b.pem # swapped: the secondary shows the key of the primary
refused 'is not known here'
cat b.pem.good >b.pem
with secondary "s/^key = .*/key = $key_b/" # swapped: it expects its own
refused "does not know this side's key"
put_back
start_secondary
start_primary
expect_device 0 web1
stop_all

# not_started SIDE WORDS: the daemon refuses its configuration.
not_started()
{
	timeout 20 "$BUILD/ra-${1}d" --config "$T/$1.conf" >out 2>err
	[ $? = 2 ] || die "ra-${1}d started, or ended with another code"
	says "$2"
}
for side in primary secondary; do
	[ $side = primary ] && pem=a.pem || pem=b.pem
	chmod 640 $pem
	not_started $side "$T/$pem.*0640"
	chmod 600 $pem
	mv $pem away
	not_started $side "$T/$pem"
	ln -s away $pem
	not_started $side "$T/$pem.*link"
	rm $pem
	(umask 077 && echo nonsense >$pem)
	not_started $side "$T/$pem"
	mv away $pem
done

# With a CA: names instead of keys.
mkca()
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.pem" -subj "/CN=$1" \
		-days 30 -addext 'keyUsage=critical,keyCertSign,cRLSign' 2>/dev/null
}
# certify CA NAME DNS [START END]: NAME.pem with key and certificate.
certify()
{
	local dates=(-days 30)
	rm -rf db
	mkdir db
	: >db/index
	echo 01 >db/serial
	cat >db/conf <<-END
		[ca]
		default_ca = c
		[c]
		database = db/index
		serial = db/serial
		new_certs_dir = db
		default_md = sha256
		policy = p
		x509_extensions = e
		[p]
		commonName = supplied
		[e]
		subjectAltName = DNS:$3
		basicConstraints = critical,CA:FALSE
		keyUsage = critical,digitalSignature
		extendedKeyUsage = serverAuth,clientAuth
		subjectKeyIdentifier = hash
		authorityKeyIdentifier = keyid
	END
	[ $# -lt 5 ] || dates=(-startdate "$4" -enddate "$5")
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout db/key -out db/request -subj "/CN=x" \
		2>/dev/null
	openssl ca -batch -config db/conf -cert "$1.pem" -keyfile "$1.key" -in db/request -out db/certificate -notext \
		"${dates[@]}" 2>openssl.err || die "no certificate: $(cat openssl.err)"
	cat db/key db/certificate >"$2.pem"
	chmod 600 "$2.pem"
}
mkca ca
mkca strange
sed -i "s/^key = .*/name = b.example/; s|^identity = .*|&\nca = $T/ca.pem|" primary.conf
sed -i "s/^key = .*/name = a.example/; s|^identity = .*|&\nca = $T/ca.pem|" secondary.conf
good() { certify ca a a.example && certify ca b b.example; }
good
start_secondary
start_primary
expect_device 0 web1
stop_all
expired=(20200101000000Z 20200201000000Z)
certify ca b c.example # the wrong name
refused 'not known here'
good
certify ca a c.example
refused "does not know this side's key"
good
certify ca b b.example "${expired[@]}"
refused 'not known here'
good
certify ca a a.example "${expired[@]}"
refused "does not know this side's key"
good
certify strange b b.example
refused 'not known here'
good
certify strange a a.example
refused "does not know this side's key"
