#!/bin/sh
# Trạm: kiểm tra gói bằng chứng này mà không cần mạng, chỉ cần sh và openssl 3.
# Trạm: checks this proof package without a network, with sh and openssl 3 only.
#
#   sh verify.sh              tin gốc chứng thư trong gói; so dấu vân tay với nguồn khác
#                             (trusts the roots in the package; compare their fingerprints elsewhere)
#   sh verify.sh --ca FILE    chỉ tin gốc chứng thư trong FILE (trusts the roots in FILE only, PEM)
#
# Mỗi dòng là một phép kiểm tra. Dòng cuối: VALID (mã thoát 0) hoặc INVALID (mã thoát 1).
# One line a check. The last line is VALID (exit code 0) or INVALID (exit code 1).
set -u
LC_ALL=C
export LC_ALL

TRUSTED=
case "${1:-}" in
  --ca)
    TRUSTED=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
    [ -r "$TRUSTED" ] || { echo "cannot read $2" >&2; exit 2; }
    ;;
  '') ;;
  *) echo "usage: sh verify.sh [--ca FILE]" >&2; exit 2 ;;
esac
cd "$(dirname "$0")" || exit 2
W=$(mktemp -d) || exit 2
trap 'rm -rf "$W"' EXIT
trap 'exit 2' HUP INT TERM
BAD=0

# Object identifiers in DER, as the one entry of an extended key usage extension.
EKU_SIGNATURE=040c300a06082b06010505070324
EKU_EVIDENCE=040f300d060b2b0601040181fd59010203
EKU_REGISTRY=040f300d060b2b0601040181fd59010204
EKU_DELEGATE=040f300d060b2b0601040181fd59010205
EKU_TRUST_LIST=040f300d060b2b0601040181fd59010206
TYPE_HEADER=1.3.6.1.4.1.32473.1.1.1
TYPE_CHECKPOINT=1.3.6.1.4.1.32473.1.1.2
TYPE_RECORD=1.3.6.1.4.1.32473.1.1.3

ok() { echo "ok   $*"; }
bad() { echo "BAD  $*"; BAD=$((BAD + 1)); }

digest() { openssl dgst -sha256 -r "$1" | cut -d' ' -f1; }
digest_in() { openssl dgst -sha256 -r | cut -d' ' -f1; }
hex() { od -An -v -tx1 "$1" | tr -d ' \n'; }

# Writes the bytes of a hexadecimal word.
unhex() {
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

# Value of a text field in one of our JSON texts (no spaces, no quotes inside codes and names).
field() { sed -n "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1/p" "$2"; }

# YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ to seconds since 1970.
epoch() {
  printf '%s\n' "$1" | awk '{
    t = $0; sub(/Z$/, "", t)
    if (length(t) == 12) t = (substr(t, 1, 2) < 50 ? "20" : "19") t
    if (length(t) != 14) { print 0; exit }
    y = substr(t, 1, 4) + 0; m = substr(t, 5, 2) + 0; d = substr(t, 7, 2) + 0
    if (m <= 2) { y -= 1; m += 12 }
    days = 365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * (m - 3) + 2) / 5) + d - 719469
    printf "%d\n", days * 86400 + substr(t, 9, 2) * 3600 + substr(t, 11, 2) * 60 + substr(t, 13, 2)
  }'
}

asn1() { openssl asn1parse -inform DER -in "$1" 2>/dev/null; }

# Copies bytes: file, offset, length.
cut_bytes() { dd if="$1" bs=1 skip="$2" count="$3" 2>/dev/null; }

# The signature value of a CMS object: the last octet string directly in a signer's entry.
signature_value() {
  set -- "$1" $(asn1 "$1" | sed -n 's/^ *\([0-9]*\):d=5 *hl=\([0-9]*\) *l= *\([0-9]*\) *prim: OCTET STRING.*/\1 \2 \3/p' | tail -n 1)
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

signing_time() {
  asn1 "$1" | awk '/:signingTime/ { found = 1; next }
    found && /(UTCTIME|GENERALIZEDTIME)/ { sub(/.*:/, ""); print; exit }'
}

content_type() {
  asn1 "$1" | sed -n 's/^ *[0-9]*:d=4 .*OBJECT *:\(.*\)$/\1/p' | head -n 1
}

# The agency code as the beginning of its DNS name: H01.36.04 is 04.36.h01.
labels() {
  printf '%s\n' "$1" | tr 'A-Z' 'a-z' |
    awk -F. '{ for (i = NF; i > 0; i--) printf "%s.", $i; print "" }'
}

# Checks a CMS signature: name, file, content ('' if inside), content type, key usage, who signs
# ('agency:CODE', 'station:NAME' or 'any'). Leaves the signer in $W/signer.pem, inside content in $W/inside.
cms() {
  rm -f "$W/signer.pem" "$W/inside"
  if [ -n "$3" ]; then set -- "$@" -content "$3"; fi
  what=$1 file=$2 type=$4 usage=$5 who=$6
  shift 6
  if ! openssl cms -verify -binary -inform DER -in "$file" "$@" -certfile "$W/certs.pem" \
    -CAfile "$W/ca.pem" -purpose any -crl_check -attime "$AT" -signer "$W/signer.pem" \
    -out "$W/inside" >/dev/null 2>"$W/error"; then
    bad "$what: $(sed -n 's/.*:error:/error /;$p' "$W/error" | tail -n 1)"
    return 1
  fi
  found=$(content_type "$file")
  if [ "$found" != "$type" ]; then bad "$what: content type $found"; return 1; fi
  openssl x509 -in "$W/signer.pem" -outform DER -out "$W/signer.der"
  case "$(hex "$W/signer.der")" in
    *0603551d25"$usage"* | *0603551d250101ff"$usage"*) ;;
    *) bad "$what: the signer has another role"; return 1 ;;
  esac
  san=$(openssl x509 -in "$W/signer.pem" -noout -ext subjectAltName | sed -n 's/^ *//;$p')
  case "$san" in
    *,* | *[!a-z0-9.:DNS-]*) bad "$what: subject alternative name $san"; return 1 ;;
  esac
  name=${san#DNS:}
  case "$who" in
    agency:*)
      head=$(labels "${who#agency:}")
      case "$name" in
        "$head$DOMAIN") ;;
        *) bad "$what: signed by $name, not by ${who#agency:}"; return 1 ;;
      esac
      ;;
    station:*)
      if [ "$name" != "${who#station:}" ]; then
        bad "$what: signed by $name, not by ${who#station:}"
        return 1
      fi
      ;;
  esac
  case "$who $name" in
    any\ * | *".$DOMAIN") ;;
    *) bad "$what: $name is outside $DOMAIN"; return 1 ;;
  esac
  ok "$what: $name"
}

# Checks a time-stamp token: name, token, stamped bytes.
token() {
  if openssl ts -verify -data "$3" -in "$2" -token_in -CAfile "$W/ca.pem" -attime "$AT" \
    >/dev/null 2>"$W/error"; then
    ok "$1: $(openssl ts -reply -in "$2" -token_in -text 2>/dev/null | sed -n 's/^Time stamp: //p')"
  else
    bad "$1: $(tail -n 1 "$W/error")"
  fi
}

# --- What to trust -----------------------------------------------------------------------------
case "$(openssl version)" in
  OpenSSL\ 3.* | OpenSSL\ [4-9]*) ;;
  *) echo "openssl 3 is needed, found: $(openssl version)" >&2; exit 2 ;;
esac
awk -v dir="$W" '/^-----BEGIN / { n++; kind = /CERTIFICATE/ ? "crt" : "crl" }
  n { print > (dir "/block" n "." kind) }' ca.pem
: >"$W/ca.pem"
: >"$W/roots"
for one in "$W"/block*.crt; do
  [ -e "$one" ] || continue
  subject=$(openssl x509 -in "$one" -noout -subject -nameopt RFC2253 | sed 's/^subject=//')
  issuer=$(openssl x509 -in "$one" -noout -issuer -nameopt RFC2253 | sed 's/^issuer=//')
  if [ "$subject" = "$issuer" ]; then
    [ -n "$TRUSTED" ] && continue
    openssl x509 -in "$one" -noout -fingerprint -sha256 | sed 's/^/     root: /' >>"$W/roots"
  fi
  cat "$one" >>"$W/ca.pem"
done
if [ -n "$TRUSTED" ]; then cat "$TRUSTED" >>"$W/ca.pem"; fi
for one in "$W"/block*.crl; do [ -e "$one" ] && cat "$one" >>"$W/ca.pem"; done
: >"$W/certs.pem"
for one in certificates/*.crt; do
  [ -e "$one" ] || continue
  named=${one##*/}
  if [ "$(digest "$one").crt" != "$named" ]; then bad "certificate $named: other content"; continue; fi
  openssl x509 -inform DER -in "$one" >>"$W/certs.pem" 2>/dev/null || bad "certificate $named"
done

# Chains are judged at one time at which every revocation list of the package is in force and which is
# not before the signature.
AT=$(epoch "$(signing_time document/signature.p7s)")
UNTIL=
for one in "$W"/block*.crl; do
  [ -e "$one" ] || continue
  openssl crl -in "$one" -outform DER -out "$W/one.crl" 2>/dev/null || bad "revocation list in ca.pem"
  set -- $(asn1 "$W/one.crl" | awk '/(UTCTIME|GENERALIZEDTIME)/ { sub(/.*:/, ""); print }' | head -n 2)
  [ $# -eq 2 ] || { bad "revocation list without its times"; continue; }
  from=$(epoch "$1") to=$(epoch "$2")
  [ "$from" -gt "$AT" ] && AT=$from
  if [ -z "$UNTIL" ] || [ "$to" -lt "$UNTIL" ]; then UNTIL=$to; fi
done
if [ -z "$UNTIL" ]; then
  bad "no revocation list in the package"
elif [ "$AT" -gt "$UNTIL" ]; then
  bad "the revocation lists are not in force at one time"
else
  ok "danh sách thu hồi / revocation lists in force at $AT (s since 1970)"
fi

# --- Records: who may speak --------------------------------------------------------------------
FIRST=$(ls receipts 2>/dev/null | sed -n 1p)
SENDER=$(field sender "receipts/$FIRST/statement.json" 2>/dev/null)
DOMAIN=
: >"$W/stations"
: >"$W/attachments"
: >"$W/delegations"
for rec in records/*.rec; do
  [ -e "$rec" ] || continue
  # The first look is only to know what kind of record it is; cms() believes it or not.
  openssl cms -verify -noverify -nosigs -binary -inform DER -in "$rec" -out "$W/peek" \
    >/dev/null 2>&1 || { bad "$rec: not a signed record"; continue; }
  kind=$(field record "$W/peek")
  [ "$kind" = trust_list ] || continue
  DOMAIN=$(field trust_domain "$W/peek")
  cms "$rec trust_list" "$rec" '' $TYPE_RECORD $EKU_TRUST_LIST any || DOMAIN=
done
if [ -z "$DOMAIN" ]; then bad "no trust list: the trust domain is not known"; fi
for rec in records/*.rec; do
  [ -e "$rec" ] || continue
  openssl cms -verify -noverify -nosigs -binary -inform DER -in "$rec" -out "$W/peek" \
    >/dev/null 2>&1 || continue
  kind=$(field record "$W/peek")
  case "$kind" in
    station)
      cms "$rec station" "$rec" '' $TYPE_RECORD $EKU_EVIDENCE "station:$(field name "$W/peek")" ||
        continue
      hashes=$(sed -n 's/.*"evidence_sha256":\[\([^]]*\)\].*/\1/p' "$W/inside" | tr -d '"' | tr ',' ' ')
      for one in $hashes; do
        echo "$(field name "$W/inside") $(field log_origin "$W/inside") $one" >>"$W/stations"
      done
      ;;
    attachment)
      cms "$rec attachment" "$rec" '' $TYPE_RECORD $EKU_SIGNATURE "agency:$(field agency "$W/peek")" ||
        continue
      echo "$(field agency "$W/inside") $(field station "$W/inside") $(field from "$W/inside")" \
        >>"$W/attachments"
      ;;
    delegation)
      cms "$rec delegation" "$rec" '' $TYPE_RECORD $EKU_DELEGATE "agency:$(field parent "$W/peek")" ||
        continue
      echo "$(field parent "$W/inside") $(field scope "$W/inside") $(field from "$W/inside")" \
        >>"$W/delegations"
      ;;
    agencies) cms "$rec agencies" "$rec" '' $TYPE_RECORD $EKU_REGISTRY any ;;
    trust_list) ;;
    *) bad "$rec: unknown kind of record" ;;
  esac
done

# Whether this station is the home of this agency at this time.
is_home() {
  awk -v a="$1" -v s="$2" -v t="$3" '$1 == a && $3 <= t && ($3 >= best) { best = $3; st = $2 }
    END { exit !(st == s) }' "$W/attachments" && return 0
  while read -r parent scope from; do
    case "$1." in "$scope".*) ;; *) continue ;; esac
    awk -v f="$from" -v t="$3" 'BEGIN { exit !(f <= t) }' </dev/null || continue
    awk -v a="$parent" -v s="$2" -v t="$3" '$1 == a && $3 <= t && ($3 >= best) { best = $3; st = $2 }
      END { exit !(st == s) }' "$W/attachments" && return 0
  done <"$W/delegations"
  return 1
}

# --- The document ------------------------------------------------------------------------------
PACKET=$(digest document/packet.edxml)
if [ "$PACKET" = "$(tr -d ' \r\n' <document/packet.sha256)" ]; then
  ok "gói tin / packet: SHA-256 $PACKET"
else
  bad "gói tin / packet: SHA-256 is $PACKET"
fi
case "$(hex document/packet.edxml | cut -c1-2)" in 31) bad "packet begins like a signature" ;; esac
cms "chữ ký số / packet signature" document/signature.p7s document/packet.edxml pkcs7-data \
  $EKU_SIGNATURE "agency:$SENDER"
signature_value document/signature.p7s >"$W/signature"
SIGNATURE=$(digest "$W/signature")
if inner_token document/signature.p7s >"$W/token" && [ -s "$W/token" ]; then
  token "dấu thời gian / time-stamp" "$W/token" "$W/signature"
else
  ok "dấu thời gian: không có, thời điểm do biên nhận chứng minh / no time-stamp: receipts prove the time"
fi

# --- Envelopes ---------------------------------------------------------------------------------
: >"$W/envelopes"
for dir in envelopes/*/; do
  [ -e "$dir/header.cbor" ] || continue
  id=$(basename "$dir")
  salt=$(tr -d ' \r\n' <"$dir/salt.hex")
  if ! is_digest "$salt"; then bad "envelope $id: salt"; continue; fi
  cms "phong bì / envelope $id header" "$dir/header.p7s" "$dir/header.cbor" $TYPE_HEADER \
    $EKU_SIGNATURE "agency:$SENDER" || continue
  header=$(hex "$dir/header.cbor")
  commitment=$({ printf tram-content-1; unhex "$salt"; unhex "$PACKET"; unhex "$SIGNATURE"; } | digest_in)
  # Keys 1, 2 and 11 of the header: version, id and commitment; key 10 names the signer's certificate.
  plain=$(printf '%s' "$id" | tr -d -)
  case "$header" in
    *0250"$plain"*) ;;
    *) bad "envelope $id: the header has another id"; continue ;;
  esac
  case "$header" in
    *0b5820"$commitment"*) ok "envelope $id carries exactly this packet and signature" ;;
    *) bad "envelope $id: the commitment is for other content"; continue ;;
  esac
  case "$header" in
    *0a5820"$(digest "$W/signer.der")"*) ;;
    *) bad "envelope $id: the header names another certificate"; continue ;;
  esac
  echo "$id $(digest "$dir/header.cbor") $commitment" >>"$W/envelopes"
done
[ -s "$W/envelopes" ] || bad "no envelope holds"

# --- Checkpoints -------------------------------------------------------------------------------
: >"$W/checkpoints"
for dir in checkpoints/*/; do
  [ -e "$dir/body.txt" ] || continue
  n=$(basename "$dir")
  origin=$(sed -n 1p "$dir/body.txt")
  size=$(sed -n 2p "$dir/body.txt")
  station=${origin%%/*}
  root=$(sed -n 3p "$dir/body.txt" | openssl base64 -d -A 2>/dev/null | od -An -v -tx1 | tr -d ' \n')
  if ! is_number "$size" || ! is_digest "$root" || [ "$(sed -n '$=' "$dir/body.txt")" != 3 ]; then
    bad "checkpoint $n: malformed"
    continue
  fi
  cms "điểm kiểm tra / checkpoint $n" "$dir/signature.p7s" "$dir/body.txt" $TYPE_CHECKPOINT \
    $EKU_EVIDENCE "station:$station" || continue
  if ! grep -qxF "$station $origin $(digest "$W/signer.der")" "$W/stations"; then
    bad "checkpoint $n: the station's record names another log or certificate"
    continue
  fi
  if [ "$(sed -n 1,3p "$dir/note.txt")" != "$(cat "$dir/body.txt")" ]; then
    bad "checkpoint $n: note and body differ"
    continue
  fi
  if [ -e "$dir/token.der" ]; then
    signature_value "$dir/signature.p7s" >"$W/value"
    token "checkpoint $n time-stamp" "$dir/token.der" "$W/value"
  fi
  echo "$((${n#"${n%%[!0]*}"})) $station $size $root" >>"$W/checkpoints"
done

# --- Receipts ----------------------------------------------------------------------------------
node() { { printf '\001'; unhex "$1"; unhex "$2"; } | digest_in; }

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

COUNT=0
for dir in receipts/*/; do
  [ -e "$dir/statement.json" ] || continue
  n=$(basename "$dir")
  statement=$dir/statement.json
  event=$(field event "$statement") envelope=$(field envelope "$statement")
  station=$(field station "$statement") recipient=$(field recipient "$statement")
  time=$(field time "$statement")
  what="biên nhận / receipt $n $event $recipient $time"
  salt=$(tr -d ' \r\n' <"$dir/salt.hex")
  checkpoint=$(sed -n 's/^checkpoint //p' "$dir/inclusion.txt")
  index=$(sed -n 's/^index //p' "$dir/inclusion.txt")
  size=$(sed -n 's/^size //p' "$dir/inclusion.txt")
  sed -n 's/^path //p' "$dir/inclusion.txt" >"$W/path"
  if ! is_digest "$salt" || ! is_number "$index" || ! is_number "$size" || ! is_number "$checkpoint"; then
    bad "$what: malformed"
    continue
  fi
  set -- $(awk -v n="$checkpoint" '$1 == n { print $2, $3, $4 }' "$W/checkpoints")
  if [ $# -ne 3 ] || [ "$1" != "$station" ] || [ "$2" != "$size" ]; then
    bad "$what: no checkpoint of this station holds it"
    continue
  fi
  data=$({ printf tram-leaf-1; unhex "$salt"; cat "$statement"; } | digest_in)
  leaf=$({ printf '\000'; unhex "$data"; } | digest_in)
  if ! included "$leaf" "$index" "$size" "$3"; then
    bad "$what: is not in the station's log"
    continue
  fi
  if ! grep -qxF "$envelope $(field header_digest "$statement") $(field commitment "$statement")" \
    "$W/envelopes" || [ "$(field sender "$statement")" != "$SENDER" ]; then
    bad "$what: speaks of another envelope"
    continue
  fi
  case "$event" in
    ContentConsignment | ContentConsignmentFailure | ContentHandover | ContentHandoverFailure | \
      Expired | Opened | Recalled)
      if ! is_home "$recipient" "$station" "$time"; then
        bad "$what: $station is not the home station of $recipient"
        continue
      fi
      ;;
    RelayAcceptance | RelayFailure | RelayRejection | SubmissionAcceptance | SubmissionRejection) ;;
    *) bad "$what: unknown event"; continue ;;
  esac
  ok "$what, $station"
  COUNT=$((COUNT + 1))
done
[ "$COUNT" -gt 0 ] || bad "no receipt holds"

if [ -z "$TRUSTED" ]; then
  echo "     So sánh với nguồn khác / compare with another source:"
  cat "$W/roots"
fi
if [ "$BAD" -eq 0 ]; then
  echo "VALID"
  exit 0
fi
echo "INVALID ($BAD)"
exit 1
