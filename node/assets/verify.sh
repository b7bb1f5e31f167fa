#!/bin/sh
# Trạm: kiểm tra gói bằng chứng này mà không cần mạng, chỉ cần sh và openssl 3.
# Trạm: checks this proof package without a network, with sh and openssl 3 only.
#
#   sh verify.sh              tin gốc chứng thư trong gói; so dấu vân tay với nguồn khác
#                             (trusts the roots in the package; compare their fingerprints elsewhere)
#   sh verify.sh --ca FILE    chỉ tin gốc chứng thư trong FILE (trusts the roots in FILE only, PEM)
#   sh verify.sh … FOLDER     kiểm tra gói đã giải nén ở FOLDER bằng bản này (an unpacked package elsewhere, by
#                             this copy of the script: so nothing out of the package has to be run)
#
# Mỗi dòng là một phép kiểm tra. Dòng cuối: VALID (mã thoát 0) hoặc NOT VALID (mã thoát 1).
# One line a check. The last line is VALID (exit code 0) or NOT VALID (exit code 1). The clock of this
# machine decides nothing: each signature is judged at the time that the package proves for it.
set -u
LC_ALL=C
export LC_ALL

TRUSTED=
FOLDER=$(dirname "$0")
while [ $# -gt 0 ]; do
  case "$1" in
    --ca)
      [ -r "${2:-}" ] || { echo "cannot read ${2:-the file after --ca}" >&2; exit 2; }
      TRUSTED=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
      shift 2
      ;;
    -*) echo "usage: sh verify.sh [--ca FILE] [FOLDER]" >&2; exit 2 ;;
    *) FOLDER=$1; shift ;;
  esac
done
cd "$FOLDER" || exit 2
W=$(mktemp -d) || exit 2
trap 'rm -rf "$W"' EXIT
trap 'exit 2' HUP INT TERM
BAD=0
LEVEL=

# Object identifiers in DER, as the one entry of an extended key usage extension.
EKU_SIGNATURE=040c300a06082b06010505070324
EKU_STAMP=040c300a06082b06010505070308
EKU_EVIDENCE=040f300d060b2b0601040181fd59010203
EKU_REGISTRY=040f300d060b2b0601040181fd59010204
EKU_DELEGATE=040f300d060b2b0601040181fd59010205
EKU_TRUST_LIST=040f300d060b2b0601040181fd59010206
TYPE_HEADER=1.3.6.1.4.1.32473.1.1.1
TYPE_CHECKPOINT=1.3.6.1.4.1.32473.1.1.2
TYPE_RECORD=1.3.6.1.4.1.32473.1.1.3

ok() { echo "ok   $*"; }
bad() { echo "BAD  $*"; BAD=$((BAD + 1)); }

digest() { one=$(openssl dgst -sha256 -r "$1"); echo "${one%% *}"; }
digest_in() { one=$(openssl dgst -sha256 -r); echo "${one%% *}"; }
hex() { od -An -v -tx1 "$1" | tr -d ' \n'; }
size_of() { wc -c <"$1" | tr -d ' '; }

# Writes the bytes of a hexadecimal word.
unhex() {
  # shellcheck disable=SC2059
  printf "$(printf '%s\n' "$1" | awk '{
    h = "0123456789abcdef"
    for (i = 1; i < length($0); i += 2)
      printf "\\%03o", (index(h, substr($0, i, 1)) - 1) * 16 + index(h, substr($0, i + 1, 1)) - 1
  }')"
}

# 64 hexadecimal digits and nothing else.
is_digest() {
  case "$1" in *[!0-9a-f]*) return 1 ;; esac
  [ ${#1} -eq 64 ]
}

is_number() {
  case "$1" in '' | *[!0-9]* | 0?*) return 1 ;; esac
  [ ${#1} -le 18 ]
}

# A file of one digest and one newline: prints the digest.
digest_line() {
  [ -e "$1" ] && [ "$(size_of "$1")" = 65 ] && [ "$(tail -c 1 "$1" | od -An -tx1 | tr -d ' \n')" = 0a ] || return 1
  one=$(cat "$1")
  is_digest "$one" && echo "$one"
}

# Value of a text field in one of our JSON texts, which is in JSON; the keys stand in one order.
field() {
  case "$JSON" in
    *"\"$1\":\""*) one=${JSON#*"\"$1\":\""}; echo "${one%%\"*}" ;;
  esac
}
# Value of a number.
number() {
  case "$JSON" in
    *"\"$1\":"*) one=${JSON#*"\"$1\":"}; echo "${one%%[!0-9]*}" ;;
  esac
}

# Days since 1970 of a date, for awk programs.
DAYS='function days(y, m, d) {
  if (m <= 2) { y -= 1; m += 12 }
  return 365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * (m - 3) + 2) / 5) + d - 719469
}'

# YYMMDDHHMMSSZ or YYYYMMDDHHMMSS[.f]Z to seconds since 1970.
epoch() {
  printf '%s\n' "$1" | awk "$DAYS"'{
    t = $0; sub(/Z$/, "", t); sub(/\..*/, "", t)
    if (length(t) == 12) t = (substr(t, 1, 2) < 50 ? "20" : "19") t
    if (length(t) != 14) { print 0; exit }
    n = days(substr(t, 1, 4) + 0, substr(t, 5, 2) + 0, substr(t, 7, 2) + 0)
    printf "%d\n", n * 86400 + substr(t, 9, 2) * 3600 + substr(t, 11, 2) * 60 + substr(t, 13, 2)
  }'
}

# 2026-11-22T03:31:02.114Z to milliseconds since 1970.
epoch_ms() {
  printf '%s\n' "$1" | awk "$DAYS"'{
    n = days(substr($0, 1, 4) + 0, substr($0, 6, 2) + 0, substr($0, 9, 2) + 0)
    s = n * 86400 + substr($0, 12, 2) * 3600 + substr($0, 15, 2) * 60 + substr($0, 18, 2)
    printf "%.0f\n", s * 1000 + substr($0, 21, 3)
  }'
}

# The structure of a file; of the same file again without a process.
ASN1=
asn1() {
  if [ "$ASN1" != "$1" ]; then
    openssl asn1parse -inform DER -in "$1" 2>/dev/null
  else
    cat "$W/asn1"
  fi
}
look_at() { openssl asn1parse -inform DER -in "$1" >"$W/asn1" 2>/dev/null; ASN1=$1; }

# Copies bytes: file, offset, length. A large part is copied in large blocks.
cut_bytes() {
  if [ "$3" -gt 65536 ]; then
    tail -c "+$(($2 + 1))" "$1" | head -c "$3"
  else
    dd if="$1" bs=1 skip="$2" count="$3" 2>/dev/null
  fi
}

# Place of a part directly in the last signer's entry of a CMS object: file, what asn1parse calls it.
# Prints offset, length of its header, length.
signer_part() {
  asn1 "$1" | sed -n "s/^ *\\([0-9]*\\):d=5 *hl=\\([0-9]*\\) *l= *\\([0-9]*\\) *$2.*/\\1 \\2 \\3/p" | tail -n 1
}

# The signature value of a CMS object.
signature_value() {
  set -- "$1" $(signer_part "$1" 'prim: OCTET STRING')
  [ $# -eq 4 ] || return 1
  cut_bytes "$1" $(($2 + $3)) "$4"
}

# The time-stamp token inside a CMS object, or nothing.
inner_token() {
  set -- "$1" $(asn1 "$1" | awk '
    /:id-smime-aa-timeStampToken/ { found = 1; next }
    found && /cons: SEQUENCE/ {
      sub(/^ */, ""); sub(/:d=[0-9]* *hl=/, " "); sub(/ *l= */, " "); print $1, $2, $3; exit
    }')
  [ $# -eq 4 ] || return 1
  cut_bytes "$1" "$2" $(($3 + $4))
}

# The claimed signing time of a CMS object, seconds since 1970.
signing_time() {
  epoch "$(asn1 "$1" | awk '/:signingTime/ { found = 1; next }
    found && /(UTCTIME|GENERALIZEDTIME)/ { sub(/.*:/, ""); print; exit }')"
}

content_type() {
  asn1 "$1" | sed -n 's/^ *[0-9]*:d=4 .*OBJECT *:\(.*\)$/\1/p' | head -n 1
}

# The time of the token in $W/token.txt, seconds since 1970.
token_time() {
  sed -n 's/^Time stamp: //p' "$W/token.txt" | awk "$DAYS"'{
    m = (index("JanFebMarAprMayJunJulAugSepOctNovDec", $1) + 2) / 3
    split($3, t, ":"); sub(/\..*/, "", t[3])
    printf "%d\n", days($4 + 0, m, $2 + 0) * 86400 + t[1] * 3600 + t[2] * 60 + t[3]
  }'
}

# The agency code as the beginning of its DNS name: H01.36.04 is 04.36.h01.
labels() {
  printf '%s\n' "$1" | tr 'A-Z' 'a-z' |
    awk -F. '{ for (i = NF; i > 0; i--) printf "%s.", $i; print "" }'
}

# Serial number of a certificate in PEM, and the names, as one word each.
serial() { openssl x509 -in "$1" -noout -serial | sed 's/^serial=0*//'; }
name_of() { openssl x509 -in "$1" -noout "-$2" -nameopt RFC2253 | sed "s/^$2=//" | tr ' ' '_'; }

# --- When somebody is judged -------------------------------------------------------------------
# Of each authority a list must show that nobody on the path was revoked: the one in force at time T, or a
# later one from before the certificates ended. So a path is tried at T, then at the beginning of each
# later list; openssl takes the lists that are in force at the moment tried.
STARTS=
tries() {
  echo "$1"
  for one in $STARTS; do if [ "$one" -gt "$1" ]; then echo "$one"; fi; done
}

# No list, however late, may revoke somebody on the path with a reason that reaches back to T: signer, T.
unspoilt() {
  [ -s "$W/revoked" ] || return 0
  s_issuer=$1 s_serial=$2 s_at=$3 s_depth=0
  while [ "$s_depth" -lt 8 ]; do
    s_why=$(awk -v i="$s_issuer" -v s="$s_serial" -v t="$s_at" '$1 == i && $2 == s {
      late = $4 ~ /^(AffiliationChanged|CertificateHold|CessationOfOperation|RemoveFromCRL|Superseded)$/
      if (!late || $3 <= t) { print $4; exit } }' "$W/revoked")
    if [ -n "$s_why" ]; then echo "revoked: $s_why"; return 1; fi
    set -- $(awk -v n="$s_issuer" '$1 == n { print $2, $3; exit }' "$W/authorities")
    [ $# -eq 2 ] && [ "$1" != "$s_issuer" ] || return 0
    s_issuer=$1 s_serial=$2 s_depth=$((s_depth + 1))
  done
}

# Facts of the certificate in a PEM file, which must lie in certificates/: SIGNER (its SHA-256), s_serial, s_issuer,
# s_san, s_usage (its extended key usage with the tag before it, in hexadecimal).
facts_of() {
  set -- $(awk 'NR == FNR { facts[$1] = $2 " " $3 " " $4 " " $5 " " $6; next }
    /^-----BEGIN/ { on = 1; next } /^-----END/ { print facts[pem]; exit } on { pem = pem $0 }' "$W/facts" "$1")
  [ $# -eq 5 ] || return 1
  SIGNER=$1 c_serial=$2 c_issuer=$3 c_san=$4 c_usage=$5
}

# What the certificate in $W/signer.pem must be: what, key usage, who ('agency:CODE', 'station:NAME', 'any').
is_who() {
  if ! facts_of "$W/signer.pem"; then bad "$1: its signer's certificate is not inside"; return 1; fi
  case "$c_usage" in
    "$2" | "critical$2") ;;
    *) bad "$1: the signer has another role"; return 1 ;;
  esac
  name=${c_san#DNS:}
  case "$c_san" in
    -) ;;
    DNS:*) case "$name" in *[!a-z0-9.-]*) bad "$1: subject alternative name $name"; return 1 ;; esac ;;
    *) bad "$1: subject alternative name $c_san"; return 1 ;;
  esac
  case "$3" in
    agency:*)
      case "$name" in
        "$(labels "${3#agency:}")$DOMAIN") ;;
        *) bad "$1: signed by $name, not by ${3#agency:}"; return 1 ;;
      esac
      ;;
    station:*)
      if [ "$name" != "${3#station:}" ]; then
        bad "$1: signed by $name, not by ${3#station:}"
        return 1
      fi
      ;;
  esac
  case "$3 $name" in
    any\ * | *".$DOMAIN") ;;
    *) bad "$1: $name is outside $DOMAIN"; return 1 ;;
  esac
}

# Checks a CMS signature: name, file, content ('' if inside), content type, key usage, who signs, T. Leaves
# the signer in $W/signer.pem, inside content in $W/inside.
cms() {
  rm -f "$W/signer.pem" "$W/inside"
  what=$1 file=$2 content=$3 type=$4 usage=$5 who=$6 at=$7
  done=
  for when in $(tries "$at"); do
    set --
    if [ -n "$content" ]; then set -- -content "$content"; fi
    # A record brings its signer's certificate; everything else is signed by one that lies beside it.
    case $file in records/*) ;; *) set -- "$@" -certfile "$W/certs.pem" ;; esac
    if openssl cms -verify -cades -binary -inform DER -in "$file" "$@" \
      -CAfile "$W/ca.pem" -purpose any -crl_check_all -attime "$when" -signer "$W/signer.pem" \
      -out "$W/inside" >/dev/null 2>"$W/error.new"; then
      done=1
      break
    fi
    [ -e "$W/error" ] || mv "$W/error.new" "$W/error"
  done
  if [ -z "$done" ]; then
    bad "$what: $(sed -n 's/.*:error:/error /;$p' "$W/error" | tail -n 1)"
    rm -f "$W/error"
    return 1
  fi
  rm -f "$W/error"
  [ "$ASN1" = "$file" ] || look_at "$file"
  found=$(content_type "$file")
  if [ "$found" != "$type" ]; then bad "$what: content type $found"; return 1; fi
  is_who "$what" "$usage" "$who" || return 1
  if ! why=$(unspoilt "$c_issuer" "$c_serial" "$at"); then bad "$what: $name: $why"; return 1; fi
  if [ -z "$content" ] && ! cmp -s "$W/inside" "$W/peek"; then bad "$what: other content"; return 1; fi
  ok "$what: $name"
}

# Checks the packet's signature without the packet: the agency signed the digests in its signed attributes.
# Key usage and who as above.
cms_without_content() {
  what=$1 file=$2 usage=$3 who=$4 at=$5
  set -- $(signer_part "$file" 'cons: cont \[ 0 \]')
  if [ $# -ne 3 ]; then bad "$what: no signed attributes"; return 1; fi
  # RFC 5652 section 5.4: they are signed as a SET.
  { printf '\061'; cut_bytes "$file" $(($1 + 1)) $(($2 + $3 - 1)); } >"$W/attributes"
  signature_value "$file" >"$W/value"
  hash=$(asn1 "$file" | sed -n 's/^ *[0-9]*:d=6 .*OBJECT *:\(sha[0-9]*\)$/\1/p' | tail -n 1)
  set --
  if asn1 "$file" | grep -q 'd=6 .*OBJECT *:rsassaPss'; then
    set -- -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:auto
  fi
  signer=
  for one in certificates/*.crt; do
    case "$(hex "$W/attributes")" in *"$(openssl dgst "-${hash:-sha256}" -r "$one" | cut -d' ' -f1)"*) ;; *) continue ;; esac
    openssl x509 -inform DER -in "$one" -out "$W/signer.pem" 2>/dev/null || continue
    openssl x509 -in "$W/signer.pem" -noout -pubkey >"$W/key.pem"
    if openssl dgst "-${hash:-sha256}" -verify "$W/key.pem" "$@" -signature "$W/value" "$W/attributes" >/dev/null 2>&1; then
      signer=$one
      break
    fi
  done
  if [ -z "$signer" ]; then bad "$what: the signature does not hold"; return 1; fi
  said=$(asn1 "$W/attributes" | awk '/:messageDigest/ { found = 1; next }
    found && /OCTET STRING/ { sub(/.*:/, ""); print; exit }' | tr 'A-F' 'a-f')
  if [ "$hash" = sha256 ] && [ "$said" != "$PACKET" ]; then
    bad "$what: is over another packet"
    return 1
  fi
  done=
  for when in $(tries "$at"); do
    openssl verify -CAfile "$W/ca.pem" -untrusted "$W/certs.pem" -purpose any -crl_check_all -attime "$when" \
      "$W/signer.pem" >/dev/null 2>&1 && { done=1; break; }
  done
  if [ -z "$done" ]; then bad "$what: the signer is not believed at $at"; return 1; fi
  if [ "$(content_type "$file")" != pkcs7-data ]; then bad "$what: content type"; return 1; fi
  is_who "$what" "$usage" "$who" || return 1
  if ! why=$(unspoilt "$c_issuer" "$c_serial" "$at"); then bad "$what: $name: $why"; return 1; fi
  ok "$what: $name (SHA-256 $PACKET)"
}

# Checks a time-stamp token: name, token, stamped bytes. Leaves its time in TIME.
token() {
  openssl ts -reply -in "$2" -token_in -text >"$W/token.txt" 2>/dev/null
  TIME=$(token_time)
  if [ -z "$TIME" ]; then bad "$1: no time-stamp token"; return 1; fi
  done=
  for when in $(tries "$TIME"); do
    if openssl ts -verify -data "$3" -in "$2" -token_in -CAfile "$W/ca.pem" -untrusted "$W/certs.pem" \
      -crl_check_all -attime "$when" >/dev/null 2>"$W/error"; then
      done=1
      break
    fi
  done
  if [ -z "$done" ]; then bad "$1: $(tail -n 1 "$W/error")"; return 1; fi
  openssl cms -verify -noverify -binary -inform DER -in "$2" -certfile "$W/certs.pem" -signer "$W/tsa.pem" \
    -out /dev/null >/dev/null 2>&1
  if ! facts_of "$W/tsa.pem"; then bad "$1: its signer's certificate is not inside"; return 1; fi
  if [ "$c_usage" != "critical$EKU_STAMP" ]; then bad "$1: the signer has another role"; return 1; fi
  if ! why=$(unspoilt "$c_issuer" "$c_serial" "$TIME"); then bad "$1: $why"; return 1; fi
  ok "$1: $(sed -n 's/^Time stamp: //p' "$W/token.txt")"
}

case "$(openssl version)" in
  OpenSSL\ 3.* | OpenSSL\ [4-9]*) ;;
  *) echo "openssl 3 is needed, found: $(openssl version)" >&2; exit 2 ;;
esac

# --- Damage ------------------------------------------------------------------------------------
SUMS=0
if [ -e SHA256SUMS ] && ! grep -Evq '^[0-9a-f]{64}  [A-Za-z0-9._/-]+$' SHA256SUMS; then
  BEFORE=$BAD
  if grep -Eq '  (.*/)?\.\.?(/|$)|//|  /' SHA256SUMS; then bad "SHA256SUMS: a name that no package has"; fi
  cut -c67- SHA256SUMS >"$W/names"
  # One process for all: the digests of the names listed, as far as they are there.
  openssl dgst -sha256 -r $(cat "$W/names") 2>/dev/null | sed 's/ [*]/  /' >"$W/sums"
  SUMS=$(wc -l <"$W/names" | tr -d ' ')
  find document envelopes receipts checkpoints records certificates crls -type f 2>/dev/null >"$W/found"
  awk -v sums="$W/sums" -v found="$W/found" '
    BEGIN {
      while ((getline line < sums) > 0) is[substr(line, 67)] = substr(line, 1, 64)
      while ((getline line < found) > 0) here[line] = 1
    }
    { name = substr($0, 67)
      if (name in seen) print name ": stands in SHA256SUMS twice"
      seen[name] = 1; delete here[name]
      if (!(name in is)) print name ": is missing"
      else if (is[name] != substr($0, 1, 64)) print name ": is damaged" }
    END { for (name in here) print name ": is not listed in SHA256SUMS" }' SHA256SUMS >"$W/damage"
  while read -r line; do bad "$line"; done <"$W/damage"
  for name in README.txt verify.sh index.html ca.pem document/packet.sha256 document/signature.p7s; do
    [ -e "$name" ] || bad "$name: is missing"
  done
  if [ "$BAD" -eq "$BEFORE" ]; then ok "$SUMS tệp còn nguyên vẹn / members are as they were written"; fi
else
  bad "SHA256SUMS: malformed or missing"
fi

# --- What to trust -----------------------------------------------------------------------------
awk -v dir="$W" '/^-----BEGIN CERTIFICATE-----/ { n++; on = 1 }
  on { print > (dir "/block" n ".crt") } /^-----END / { on = 0 }' ca.pem
: >"$W/ca.pem"
: >"$W/roots"
: >"$W/authorities"
for one in "$W"/block*.crt; do
  [ -e "$one" ] || continue
  if ! openssl x509 -in "$one" -noout 2>/dev/null; then bad "ca.pem: not a certificate"; continue; fi
  subject=$(name_of "$one" subject) issuer=$(name_of "$one" issuer)
  if [ "$subject" = "$issuer" ]; then
    [ -n "$TRUSTED" ] && continue
    openssl x509 -in "$one" -noout -fingerprint -sha256 | sed 's/^/     root: /' >>"$W/roots"
    cat "$one" >>"$W/ca.pem"
  else
    cat "$one" >>"$W/middle.pem"
  fi
  echo "$subject $issuer $(serial "$one")" >>"$W/authorities"
done
if [ -n "$TRUSTED" ]; then cat "$TRUSTED" >>"$W/ca.pem"; fi
# Intermediates stand beside the roots for openssl; a path still has to end at a self-signed root.
if [ -e "$W/middle.pem" ]; then cat "$W/middle.pem" >>"$W/ca.pem"; fi
cp "$W/ca.pem" "$W/authorities.pem"

: >"$W/certs.pem"
: >"$W/facts"
openssl dgst -sha256 -r certificates/*.crt crls/*.crl 2>/dev/null >"$W/named"
# Whether a file has the content that its name says.
is_named() {
  one=${1##*/}
  grep -qF "${one%.*} *$1" "$W/named"
}
for file in certificates/*.crt; do
  [ -e "$file" ] || continue
  if ! is_named "$file"; then bad "$file: has other content than its name says"; continue; fi
  if ! openssl x509 -inform DER -in "$file" -serial -issuer -nameopt RFC2253 -ext subjectAltName >"$W/one" 2>/dev/null; then
    bad "$file: not a certificate"
    continue
  fi
  usage=$(hex "$file" | sed -n 's/.*0603551d25\(0101ff\)*\(04[0-9a-f]*\)/\1 \2/p')
  case "$usage" in
    '0101ff '*) critical=critical usage=${usage#* } ;;
    *) critical= usage=${usage# } ;;
  esac
  # The octet string of the extension, by its length in bytes (one byte here, roles have one entry).
  if [ -n "$usage" ]; then
    length=$((0x$(echo "${usage#04}" | cut -c1-2)))
    usage=$(echo "$usage" | cut -c1-$((4 + 2 * length)))
  fi
  awk -v sha="${file##*/}" -v usage="$critical$usage" '
    /^serial=/ { serial = $0; sub(/^serial=0*/, "", serial) }
    /^issuer=/ { issuer = $0; sub(/^issuer=/, "", issuer); gsub(/ /, "_", issuer) }
    /Subject Alternative Name/ { next_line = 1; next }
    next_line { san = $0; gsub(/ /, "", san); next_line = 0 }
    /^-----BEGIN/ { on = 1; next } /^-----END/ { on = 0 } on { pem = pem $0 }
    END { sub(/\.crt$/, "", sha); print pem, sha, serial, issuer, (san == "" ? "-" : san), (usage == "" ? "-" : usage) }' "$W/one" >>"$W/facts"
  sed -n '/^-----BEGIN/,/^-----END/p' "$W/one" >>"$W/certs.pem"
done

: >"$W/lists"
: >"$W/revoked"
for file in crls/*.crl; do
  [ -e "$file" ] || continue
  if ! is_named "$file"; then bad "$file: has other content than its name says"; continue; fi
  openssl crl -inform DER -in "$file" -text -nameopt RFC2253 -CAfile "$W/authorities.pem" >"$W/one" 2>"$W/said"
  case "$(cat "$W/said")" in
    *'verify OK'*) ;;
    *) bad "$file: is signed by no authority of the package"; continue ;;
  esac
  sed -n '/^-----BEGIN/,/^-----END/p' "$W/one" >>"$W/ca.pem"
  set -- $(awk -v out="$W/revoked" "$DAYS"'
    function at(m, d, t, y,   p) {
      m = (index("JanFebMarAprMayJunJulAugSepOctNovDec", m) + 2) / 3
      split(t, p, ":")
      return sprintf("%d", days(y + 0, m, d + 0) * 86400 + p[1] * 3600 + p[2] * 60 + p[3])
    }
    function flush() {
      if (serial != "") print issuer, serial, since, (why == "" ? "Unspecified" : why) >> out
      serial = ""; why = ""
    }
    /^ *Issuer: / { issuer = $0; sub(/^ *Issuer: /, "", issuer); gsub(/ /, "_", issuer) }
    /^ *Last Update: / { from = at($3, $4, $5, $6); since_text = $4 "_" $3 "_" $6 "_" $5 }
    /^ *Next Update: / && $3 != "NONE" { to = at($3, $4, $5, $6); until_text = $4 "_" $3 "_" $6 "_" $5 }
    /^ *Serial Number:/ { flush(); serial = $NF; sub(/^0*/, "", serial) }
    /^ *Revocation Date:/ && serial != "" { since = at($3, $4, $5, $6) }
    reason { why = $0; gsub(/[ ]/, "", why); reason = 0 }
    /X509v3 CRL Reason Code/ { reason = 1 }
    /^ *Signature Algorithm:/ { flush() }
    END { flush(); if (from != "" && to != "") print from, to, issuer, since_text, until_text }' "$W/one")
  if [ $# -ne 5 ]; then bad "$file: without its times"; continue; fi
  echo "$1 $2 $3" >>"$W/lists"
  ok "danh sách thu hồi / revocation list of $3: $4 - $5 (UTC)"
done
STARTS=$(cut -d' ' -f1 "$W/lists" | sort -nu)
[ -s "$W/lists" ] || bad "no revocation list in the package"

# --- Records: who may speak --------------------------------------------------------------------
DOMAIN=
: >"$W/stations"
: >"$W/attachments"
: >"$W/delegations"
# What counts of a record stands in its first few keys; a bundle of agencies is long.
peek() {
  openssl cms -verify -noverify -nosigs -binary -inform DER -in "$1" -out "$W/peek" >/dev/null 2>&1 || return 1
  JSON=$(head -c 4096 "$W/peek")
}
issued() { echo $(($(epoch_ms "$(field issued)") / 1000)); }
LISTS=0
for rec in records/*.rec; do
  [ -e "$rec" ] || continue
  # The first look is only to know what kind of record it is; cms() believes it or not.
  peek "$rec" || { bad "$rec: not a signed record"; continue; }
  [ "$(field record)" = trust_list ] || continue
  LISTS=$((LISTS + 1))
  DOMAIN=$(field trust_domain)
done
if [ "$LISTS" -ne 1 ]; then bad "records: $LISTS trust lists, one is needed: the trust domain is not known"; fi
for rec in records/*.rec; do
  [ -e "$rec" ] || continue
  peek "$rec" || continue
  kind=$(field record) at=$(issued)
  case "$kind" in
    trust_list)
      cms "$rec trust_list" "$rec" '' $TYPE_RECORD $EKU_TRUST_LIST any "$at" || continue
      # Several may sign a trust list; each must have the role.
      awk -v dir="$W" '/^-----BEGIN CERTIFICATE-----/ { n++ } n { print > (dir "/signed-by-" n) }' "$W/signer.pem"
      for one in "$W"/signed-by-*; do
        [ -e "$one" ] || continue
        mv "$one" "$W/signer.pem"
        is_who "$rec" $EKU_TRUST_LIST any
        why=$(unspoilt "$c_issuer" "$c_serial" "$at") || bad "$rec: $why"
      done
      ;;
    station)
      cms "$rec station" "$rec" '' $TYPE_RECORD $EKU_EVIDENCE "station:$(field name)" "$at" ||
        continue
      hashes=${JSON#*\"evidence_sha256\":\[}
      hashes=$(echo "${hashes%%]*}" | tr -d '"' | tr ',' ' ')
      case " $hashes " in
        *" $SIGNER "*) ;;
        *) bad "$rec: does not name the certificate that signed it"; continue ;;
      esac
      keys=$(field note_key)
      case "$JSON" in
        *'"old_note_keys":['*)
          old=${JSON#*\"old_note_keys\":\[}
          keys="$keys $(echo "${old%%]*}" | tr -d '"' | tr ',' ' ')"
          ;;
      esac
      for one in $hashes; do
        for key in $keys; do echo "$(field name) $one $key" >>"$W/stations"; done
      done
      ;;
    attachment)
      cms "$rec attachment" "$rec" '' $TYPE_RECORD $EKU_SIGNATURE "agency:$(field agency)" "$at" ||
        continue
      echo "$(field agency) $(field station) $(field from)" \
        "$(field not_after) $(number sequence)" >>"$W/attachments"
      ;;
    delegation)
      cms "$rec delegation" "$rec" '' $TYPE_RECORD $EKU_DELEGATE "agency:$(field parent)" "$at" ||
        continue
      echo "$(field parent) $(field scope) $(field from)" \
        "$(field not_after) $(number sequence)" >>"$W/delegations"
      ;;
    agencies) cms "$rec agencies" "$rec" '' $TYPE_RECORD $EKU_REGISTRY any "$at" ;;
    *) bad "$rec: unknown kind of record" ;;
  esac
done

# The station of an agency at a time by its newest attachment then.
attached() {
  awk -v a="$1" -v t="$2" '$1 == a && $3 <= t && t < $4 && $5 + 0 >= best { best = $5 + 0; st = $2 }
    END { print st }' "$W/attachments"
}

# Whether this station is the home of this agency at this time.
is_home() {
  home=$(attached "$1" "$3")
  if [ -n "$home" ]; then [ "$home" = "$2" ]; return; fi
  parent=$(awk -v a="$1." -v t="$3" 'index(a, $2 ".") == 1 && $3 <= t && t < $4 {
      if (length($2) > far || (length($2) == far && $5 + 0 >= best)) { far = length($2); best = $5 + 0; p = $1 } }
    END { print p }' "$W/delegations")
  [ -n "$parent" ] && [ "$(attached "$parent" "$3")" = "$2" ]
}

# --- The document ------------------------------------------------------------------------------
# Reads a header in CBOR (SPEC section 2): lines of key and value; bytes in hexadecimal, texts as they are.
header_fields() {
  hex "$1" | awk '
    function num(p, n,   i, v) {
      v = 0
      for (i = 0; i < n; i++) v = v * 16 + index("0123456789abcdef", substr(h, p + i, 1)) - 1
      return v
    }
    function head(p,   a) {
      major = int(num(p, 2) / 32); a = num(p, 2) % 32; next_p = p + 2
      if (a < 24) value = a
      else if (a < 28) { n = 2 ^ (a - 24) * 2; value = num(next_p, n); next_p += n }
      else fail = 1
    }
    function text(p, n,   i, s) {
      s = ""
      for (i = 0; i < n; i++) {
        if (num(p + 2 * i, 2) < 32) fail = 1
        s = s sprintf("%c", num(p + 2 * i, 2))
      }
      return s
    }
    function item(key,   i, n) {
      if (fail || pos > length(h)) { fail = 1; return }
      head(pos); pos = next_p
      if (major == 0) print key, sprintf("%.0f", value)
      else if (major == 2) { print key, substr(h, pos, 2 * value); pos += 2 * value }
      else if (major == 3) { print key, text(pos, value); pos += 2 * value }
      else if (major == 4) { n = value; for (i = 0; i < n && !fail; i++) item(key) }
      else fail = 1
    }
    { h = h $0 }
    END {
      if (substr(h, 1, 2) != "83") exit 1
      head(3); if (major != 2) exit 1
      end = next_p + 2 * value; pos = next_p
      head(pos); if (major != 5) exit 1
      pairs = value; pos = next_p
      for (k = 0; k < pairs && !fail; k++) {
        head(pos); if (major != 0) exit 1
        pos = next_p; item(value)
      }
      exit fail || pos != end
    }'
}

# Who sent it, as the first header says; each header is judged below.
SENDER=
for dir in envelopes/*/; do
  [ -e "$dir/header.cbor" ] || continue
  SENDER=$(header_fields "$dir/header.cbor" | sed -n 's/^4 //p')
  break
done

PACKET=$(digest_line document/packet.sha256) || bad "document/packet.sha256: malformed"
rm -f "$W/token"
look_at document/signature.p7s
WHEN=$(signing_time document/signature.p7s)
if [ "$WHEN" -eq 0 ]; then bad "document/signature.p7s: no signing time"; fi
signature_value document/signature.p7s >"$W/signature"
SIGNATURE=$(digest "$W/signature")
if inner_token document/signature.p7s >"$W/token" && [ -s "$W/token" ]; then
  if token "dấu thời gian của chữ ký / time-stamp of the signature" "$W/token" "$W/signature"; then WHEN=$TIME; fi
else
  ok "chữ ký không có dấu thời gian, thời điểm do biên nhận chứng minh / no time-stamp on the signature: receipts prove the time"
fi
what="chữ ký số / packet signature"
if [ -e document/packet.edxml ]; then
  found=$(digest document/packet.edxml)
  if [ "$PACKET" = "$found" ]; then
    ok "gói tin / packet: SHA-256 $PACKET"
  else
    bad "gói tin / packet: SHA-256 is $found"
  fi
  case "$(head -c 1 document/packet.edxml)" in 1) bad "packet begins like a signature" ;; esac
  cms "$what" document/signature.p7s document/packet.edxml pkcs7-data $EKU_SIGNATURE "agency:$SENDER" "$WHEN"
else
  cms_without_content "$what" document/signature.p7s $EKU_SIGNATURE "agency:$SENDER" "$WHEN"
fi

# The ASiC-S form (ETSI EN 319 162-1) is one fixed layout of three stored entries: made again but for two
# checksums, which are taken from it (SHA256SUMS covers damage).
le32() {
  printf '%02x%02x%02x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255))
}
text_hex() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }
asic_facts() { echo "0a000000000000002100$2$(le32 "$3")$(le32 "$3")$(printf '%02x' ${#1})000000"; }
asic_local() { echo "504b0304$(asic_facts "$1" "$2" "$3")$(text_hex "$1")"; }
asic_central() { echo "504b01020a00$(asic_facts "$1" "$2" "$3")00000000000000000000$(le32 "$4")$(text_hex "$1")"; }
if [ -e document/document.asics ]; then
  form=document/document.asics
  type=application/vnd.etsi.asic-s+zip
  type_sum=a84359aa
  name2=packet.edxml name3=META-INF/signature.p7s
  if [ -e document/packet.edxml ]; then p=$(size_of document/packet.edxml); else p=0; fi
  s=$(size_of document/signature.p7s)
  packet_sum=$(cut_bytes $form 83 4 | od -An -v -tx1 | tr -d ' \n')
  signature_sum=$(cut_bytes $form $((111 + p + 14)) 4 | od -An -v -tx1 | tr -d ' \n')
  made=$({
    unhex "$(asic_local mimetype "$type_sum" 31)"
    printf '%s' "$type"
    unhex "$(asic_local $name2 "$packet_sum" "$p")"
    [ -e document/packet.edxml ] && cat document/packet.edxml
    unhex "$(asic_local $name3 "$signature_sum" "$s")"
    cat document/signature.p7s
    unhex "$(asic_central mimetype "$type_sum" 31 0)"
    unhex "$(asic_central $name2 "$packet_sum" "$p" 69)"
    unhex "$(asic_central $name3 "$signature_sum" "$s" $((111 + p)))"
    unhex "504b05060000000003000300$(le32 180)$(le32 $((111 + p + 52 + s)))0000"
  } | digest_in)
  if [ -e document/packet.edxml ] && [ "$made" = "$(digest $form)" ]; then
    ok "bản ASiC-S / ASiC-S form holds exactly this packet and signature"
  else
    bad "$form: is not the form of this packet and signature"
  fi
fi

# --- Envelopes ---------------------------------------------------------------------------------
: >"$W/envelopes"
: >"$W/recipients"
for dir in envelopes/*/; do
  [ -d "$dir" ] || continue
  id=$(basename "$dir")
  if [ ! -e "$dir/header.cbor" ]; then bad "envelope $id: no header"; continue; fi
  if ! salt=$(digest_line "$dir/salt.hex"); then bad "envelope $id: salt"; continue; fi
  if ! header_fields "$dir/header.cbor" >"$W/fields"; then bad "envelope $id: malformed header"; continue; fi
  sender=$(sed -n 's/^4 //p' "$W/fields") created=$(sed -n 's/^8 //p' "$W/fields")
  if [ -z "$sender" ] || ! is_number "$created"; then bad "envelope $id: malformed header"; continue; fi
  cms "phong bì / envelope $id header" "$dir/header.p7s" "$dir/header.cbor" $TYPE_HEADER \
    $EKU_SIGNATURE "agency:$sender" $((created / 1000)) || continue
  if [ "$sender" != "$SENDER" ]; then bad "envelope $id: of another sender than the packet"; continue; fi
  case "$(sed -n 's/^3 //p' "$W/fields")" in
    1 | 2) ;;
    *) bad "envelope $id: carries no document"; continue ;;
  esac
  commitment=$({ printf tram-content-1; unhex "$salt$PACKET$SIGNATURE"; } | digest_in)
  if [ "$(sed -n 's/^2 //p' "$W/fields")" != "$(printf '%s' "$id" | tr -d -)" ]; then
    bad "envelope $id: the header has another id"
    continue
  fi
  if [ "$(sed -n 's/^11 //p' "$W/fields")" != "$commitment" ]; then
    bad "envelope $id: the commitment is for other content"
    continue
  fi
  if [ "$(sed -n 's/^10 //p' "$W/fields")" != "$SIGNER" ]; then
    bad "envelope $id: the header names another certificate"
    continue
  fi
  ok "phong bì / envelope $id carries exactly this packet and signature"
  echo "$id $(digest "$dir/header.cbor") $commitment $sender" >>"$W/envelopes"
  echo "$id $created" >>"$W/created"
  sed -n "s/^6 /$id /p" "$W/fields" >>"$W/recipients"
done
[ -s "$W/envelopes" ] || bad "no envelope holds"

# --- Checkpoints -------------------------------------------------------------------------------
# Whether the note carries a good Ed25519 signature of the log's own key (C2SP signed-note): folder, origin, key.
note_line() {
  printf '%s' "$3" | openssl base64 -d -A >"$W/raw" 2>/dev/null
  [ "$(size_of "$W/raw")" = 32 ] || return 1
  # RFC 8410: the 12 bytes before an Ed25519 key.
  { unhex 302a300506032b6570032100; cat "$W/raw"; } | openssl base64 >"$W/raw64"
  { echo '-----BEGIN PUBLIC KEY-----'; cat "$W/raw64"; echo '-----END PUBLIC KEY-----'; } >"$W/note.pem"
  id=$({ printf '%s\n\001' "$2"; cat "$W/raw"; } | digest_in | cut -c1-8)
  dash=$(printf '\342\200\224')
  sed -n "5,\$p" "$1/note.txt" | while read -r mark by value; do
    [ "$mark" = "$dash" ] && [ "$by" = "$2" ] || continue
    printf '%s' "$value" | openssl base64 -d -A >"$W/line" 2>/dev/null
    [ "$(size_of "$W/line")" = 68 ] && [ "$(hex "$W/line" | cut -c1-8)" = "$id" ] || continue
    cut_bytes "$W/line" 4 64 >"$W/line.sig"
    openssl pkeyutl -verify -pubin -inkey "$W/note.pem" -rawin -in "$1/body.txt" -sigfile "$W/line.sig" \
      >/dev/null 2>&1 && echo good
  done | grep -q good
}

: >"$W/checkpoints"
for dir in checkpoints/*/; do
  [ -d "$dir" ] || continue
  n=$(basename "$dir")
  for part in body.txt note.txt signature.p7s; do
    [ -e "$dir/$part" ] || bad "checkpoint $n: $part is missing"
  done
  [ -e "$dir/body.txt" ] && [ -e "$dir/note.txt" ] && [ -e "$dir/signature.p7s" ] || continue
  origin=$(sed -n 1p "$dir/body.txt")
  size=$(sed -n 2p "$dir/body.txt")
  station=${origin%%/*}
  root=$(sed -n 3p "$dir/body.txt" | openssl base64 -d -A 2>/dev/null | od -An -v -tx1 | tr -d ' \n')
  if ! is_number "$size" || ! is_digest "$root" || [ "$(wc -l <"$dir/body.txt" | tr -d ' ')" != 3 ]; then
    bad "checkpoint $n: malformed"
    continue
  fi
  level=signed
  look_at "$dir/signature.p7s"
  at=$(signing_time "$dir/signature.p7s")
  if [ -e "$dir/token.der" ]; then
    signature_value "$dir/signature.p7s" >"$W/value"
    token "checkpoint $n time-stamp" "$dir/token.der" "$W/value" || continue
    level=stamped at=$TIME
  fi
  cms "điểm kiểm tra / checkpoint $n" "$dir/signature.p7s" "$dir/body.txt" $TYPE_CHECKPOINT \
    $EKU_EVIDENCE "station:$station" "$at" || continue
  if [ "$(sed -n 1,3p "$dir/note.txt")" != "$(cat "$dir/body.txt")" ] || [ -n "$(sed -n 4p "$dir/note.txt")" ] ||
    sed -n '5,$p' "$dir/note.txt" | grep -Evq '^[^ ]+ [^ ]+ [A-Za-z0-9+/=]+$'; then
    bad "checkpoint $n: note and body differ"
    continue
  fi
  named=
  for key in $(awk -v s="$station" -v d="$SIGNER" '$1 == s && $2 == d { print $3 }' "$W/stations" | sort -u); do
    named=no
    if note_line "$dir" "$origin" "$key"; then named=yes; break; fi
  done
  case "$named" in
    yes) ;;
    no) bad "checkpoint $n: the note's signature is wrong or not of the log's key"; continue ;;
    *) bad "checkpoint $n: no record of the station names this certificate"; continue ;;
  esac
  ok "checkpoint $n: $station, $size leaves, $level"
  echo "$((${n#"${n%%[!0]*}"})) $station $size $root $level" >>"$W/checkpoints"
done

# --- Receipts ----------------------------------------------------------------------------------
node() { unhex "01$1$2" | digest_in; }

# Whether a leaf lies in a tree (RFC 9162 section 2.1.3.2): leaf, index, size, root; path in $W/path.
included() {
  r=$1 fn=$2 sn=$(($3 - 1))
  [ "$2" -lt "$3" ] || return 1
  while read -r p; do
    is_digest "$p" || return 1
    [ "$sn" -eq 0 ] && return 1
    if [ $((fn & 1)) -eq 1 ] || [ "$fn" -eq "$sn" ]; then
      r=$(node "$p" "$r")
      while [ $((fn & 1)) -eq 0 ] && [ "$fn" -ne 0 ]; do fn=$((fn >> 1)) sn=$((sn >> 1)); done
    else
      r=$(node "$r" "$p")
    fi
    fn=$((fn >> 1)) sn=$((sn >> 1))
  done <"$W/path"
  [ "$sn" -eq 0 ] && [ "$r" = "$4" ]
}

# The one form of a statement (SPEC section 4).
FORM='^\{"v":1,"event":"[A-Za-z]+","envelope":"[0-9a-f-]{36}","header_digest":"[0-9a-f]{64}"(,"commitment":"[0-9a-f]{64}")?'
FORM=$FORM',"sender":"[A-Za-z0-9.-]+","recipient":"[A-Za-z0-9.-]+"'
FORM=$FORM',"time":"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z","station":"[a-z0-9.-]+"'
FORM=$FORM'(,"next_station":"[a-z0-9.-]+")?(,"reason":"[a-z_]+")?,"prev":"[0-9a-f]{64}"(,"clock_unsure":true)?\}$'

COUNT=0
: >"$W/seen"
for dir in receipts/*/; do
  [ -d "$dir" ] || continue
  n=$(basename "$dir")
  statement=$dir/statement.json
  if [ ! -e "$statement" ] || [ ! -e "$dir/inclusion.txt" ]; then bad "receipt $n: a part is missing"; continue; fi
  JSON=$(head -c 4096 "$statement")
  event=$(field event) envelope=$(field envelope) station=$(field station) recipient=$(field recipient)
  time=$(field time) reason=$(field reason)
  what="biên nhận / receipt $n $event${reason:+ ($reason)} $recipient $time"
  checkpoint=$(sed -n 's/^checkpoint //p' "$dir/inclusion.txt")
  index=$(sed -n 's/^index //p' "$dir/inclusion.txt")
  size=$(sed -n 's/^size //p' "$dir/inclusion.txt")
  what="$what, $station, index $index"
  sed -n 's/^path //p' "$dir/inclusion.txt" >"$W/path"
  {
    printf 'checkpoint %s\nindex %s\nsize %s\n' "$checkpoint" "$index" "$size"
    sed 's/^/path /' "$W/path"
  } >"$W/inclusion"
  if ! salt=$(digest_line "$dir/salt.hex") || ! is_number "$index" || ! is_number "$size" ||
    ! is_number "$checkpoint" || ! grep -Eq "$FORM" "$statement" ||
    [ "$(wc -l <"$statement" | tr -d ' ')" != 0 ] || ! cmp -s "$W/inclusion" "$dir/inclusion.txt"; then
    bad "$what: malformed"
    continue
  fi
  set -- $(awk -v n="$checkpoint" '$1 == n { print $2, $3, $4, $5 }' "$W/checkpoints")
  if [ $# -ne 4 ] || [ "$1" != "$station" ] || [ "$2" != "$size" ]; then
    bad "$what: no checkpoint of this station holds it"
    continue
  fi
  data=$({ printf tram-leaf-1; unhex "$salt"; cat "$statement"; } | digest_in)
  leaf=$(unhex "00$data" | digest_in)
  if ! included "$leaf" "$index" "$size" "$3"; then
    bad "$what: is not in the station's log"
    continue
  fi
  if ! grep -qxF "$envelope $(field header_digest) $(field commitment) $(field sender)" \
    "$W/envelopes" || ! grep -qxF "$envelope $recipient" "$W/recipients"; then
    bad "$what: speaks of another envelope"
    continue
  fi
  # Stations may be 10 minutes ahead; dating back further would let a former home station speak for ever.
  if [ "$(epoch_ms "$time")" -lt $(($(awk -v e="$envelope" '$1 == e { print $2 }' "$W/created") - 600000)) ]; then
    bad "$what: is dated before the envelope was made"
    continue
  fi
  case "$event" in
    ContentConsignment | ContentConsignmentFailure | ContentHandover | ContentHandoverFailure | \
      Opened | Recalled)
      if ! is_home "$recipient" "$station" "$time"; then
        bad "$what: $station is not the home station of $recipient"
        continue
      fi
      ;;
    Expired | RelayAcceptance | RelayFailure | RelayRejection | SubmissionAcceptance | SubmissionRejection) ;;
    *) bad "$what: unknown event"; continue ;;
  esac
  if grep -qx "$leaf" "$W/seen"; then bad "$what: the same statement stands in the package twice"; continue; fi
  echo "$leaf" >>"$W/seen"
  ok "$what [$4]"
  case "$LEVEL $4" in
    ' '*) LEVEL=$4 ;;
    *' signed') LEVEL=signed ;;
  esac
  COUNT=$((COUNT + 1))
done
[ "$COUNT" -gt 0 ] || bad "no receipt holds"

if [ -z "$TRUSTED" ]; then
  echo "     So sánh với nguồn khác / compare with another source:"
  cat "$W/roots"
fi
if [ "$BAD" -eq 0 ]; then
  echo "     Mức / level: $LEVEL"
  echo "VALID"
  exit 0
fi
echo "     $BAD phép kiểm tra không đạt / checks did not hold"
echo "NOT VALID"
exit 1
