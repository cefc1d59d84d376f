#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Who may talk to whom: wrong, swapped and unknown keys on either side, a key that others can read, and a CA whose
# certificates have the wrong name, are expired, or come from another CA. Each refusal ends in exit 4 and says why.
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise v.a 300000
cp v.a v.b
two_hosts v
keygen other
quick=(--link-timeout 1s)

# refused WORDS: no link comes about, the compare says so, and both logs name a key.
refused()
{
	start b
	start a
	compare 4 "${quick[@]}" v
	says "$1"
	[ "$(ctl_json a '.links[0].state' links)" != up ] || die "the link is up"
	stop a
	stop b
}
sed -i.good "s/^key = .*/key = ${key[other]}/" b.conf # b expects somebody else
refused "know.* this side's key"
grep -q "${key[a]}" b.log || die "b does not log whom it refused"
[ "$(grep -c "${key[a]}" b.log)" -ge 3 ] || die "a did not try again and again"
for words in 'warning: .*know.* this side' 'info: peer b is let in: '; do
	[ "$(grep -c "$words" a.log)" = 1 ] || die "a says at each try: $words"
done
mv b.conf.good b.conf
sed -i.good "s/^key = .*/key = ${key[other]}/" a.conf # a expects somebody else
refused "key ${key[b]} is not known here"
[ "$(grep -c "warning: .*${key[b]}" a.log)" = 2 ] || die "a says at each try whom it refuses"
start b
start a
ctl a check v >out 2>err && die "check finds nothing"
says "^FAILED  v: no link to b: .*key ${key[b]} is not known here\. Is this the key that ra-ctl status shows on b\? Then \[peer b\] here"
ctl a --json links >out
json '.links[0].refused_key' "${key[b]}"
stop a
stop b
mv a.conf.good a.conf
cp b.pem b.pem.good
cp a.pem b.pem # swapped: b shows the key of a
refused "is not known here"
cp b.pem.good b.pem
sed -i.good "s/^key = .*/key = ${key[b]}/" b.conf # swapped: b expects its own
refused "know.* this side's key"
mv b.conf.good b.conf
start_both
compare 0 v
stop a
stop b

# not_started NAME WORDS: the daemon refuses its configuration with exit 2.
not_started()
{
	local program=ra-primaryd
	[ "$1" = a ] || program=ra-secondaryd
	timeout 20 "$BUILD/$program" --config "$T/$1.conf" >out 2>err
	[ $? = 2 ] || die "$program started"
	says "$2"
}
for name in a b; do
	chmod 640 $name.pem
	not_started $name "$T/$name.pem.*(mode 0640|others)"
	chmod 600 $name.pem
	mv $name.pem away
	not_started $name "$T/$name.pem"
	ln -s away $name.pem
	not_started $name "$T/$name.pem.*link"
	rm $name.pem
	echo nonsense >$name.pem
	chmod 600 $name.pem
	not_started $name "$T/$name.pem"
	mv away $name.pem
done

# With a CA: names instead of keys.
mkca()
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.pem" -subj "/CN=$1" \
		-days 30 -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign' 2>/dev/null
}
# certify CA NAME DNS [START END]: NAME.pem with key and certificate.
certify()
{
	local dates=(-days 30)
	rm -rf db
	mkdir db
	: >db/index
	echo 01 >db/serial
	printf '[ca]\ndefault_ca=c\n[c]\ndatabase=db/index\nserial=db/serial\nnew_certs_dir=db\ndefault_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:%s\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' "$3" >db/conf
	[ $# -lt 5 ] || dates=(-startdate "$4" -enddate "$5")
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout db/key -out db/request -subj "/CN=x" 2>/dev/null
	openssl ca -batch -config db/conf -cert "$1.pem" -keyfile "$1.key" -in db/request -out db/certificate -notext \
		"${dates[@]}" 2>/dev/null || die "no certificate"
	cat db/key db/certificate >"$2.pem"
	chmod 600 "$2.pem"
}
mkca ca
mkca strange
sed -i "s/^key = .*/name = b.example/; s|^identity = .*|&\nca = $T/ca.pem|" a.conf
sed -i "s/^key = .*/name = a.example/; s|^identity = .*|&\nca = $T/ca.pem|" b.conf
good()
{
	certify ca a a.example
	certify ca b b.example
}
good
start_both
compare 0 v
stop a
stop b
certify ca b c.example # the wrong name
refused 'known here'
good
certify ca a c.example
refused "know.* this side's key"
good
certify ca b b.example 20200101000000Z 20200201000000Z # expired
refused 'known here'
good
certify ca a a.example 20200101000000Z 20200201000000Z
refused "know.* this side's key"
good
certify strange b b.example # another CA
refused 'known here'
good
certify strange a a.example
refused "know.* this side's key"
