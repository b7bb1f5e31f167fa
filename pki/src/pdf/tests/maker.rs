//! Small documents with real signatures: written by hand, signed by openssl.

use crate::fixture::{Authority, Signer};
use crate::key::Algorithm;
use crate::pdf::Anchors;
use crate::role::Role;
use crate::sign;
use crate::stamp::{TimeStampRequest, TokenIssuer};

use formats::id::Digest;
use formats::time::Timestamp;

/// A document that grows by revisions.
#[derive(Clone)]
pub(super) struct Maker {
    pub(super) bytes: Vec<u8>,
    last: Option<usize>,
    size: u32,
    trailer: String,
}

impl Maker {
    /// One page with a text.
    pub(super) fn new() -> Self {
        let mut made = Self {
            bytes: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(),
            last: None,
            size: 1,
            trailer: String::new(),
        };
        made.update(&[
            (1, "<< /Type /Catalog /Pages 2 0 R >>".into()),
            (
                2,
                "<< /Type /Pages /Kids [3 0 R] /Count 1 /MediaBox [0 0 300 144] >>".into(),
            ),
            (3, page("", "")),
            (4, stream("BT /F1 18 Tf (Cong van so 1) Tj ET")),
        ]);
        made
    }

    /// Adds a revision with these objects.
    pub(super) fn update(&mut self, objects: &[(u32, String)]) {
        let mut table = String::from("xref\n0 1\n0000000000 65535 f \n");
        for (number, body) in objects {
            table += &format!("{number} 1\n{:010} 00000 n \n", self.bytes.len());
            self.bytes
                .extend_from_slice(format!("{number} 0 obj\n{body}\nendobj\n").as_bytes());
            self.size = self.size.max(number + 1);
        }
        let at = self.bytes.len();
        let previous = self
            .last
            .map_or(String::new(), |last| format!(" /Prev {last}"));
        table += &format!(
            "trailer\n<< /Root 1 0 R /Size {}{previous}{} >>\nstartxref\n{at}\n%%EOF\n",
            self.size, self.trailer
        );
        self.bytes.extend_from_slice(table.as_bytes());
        self.last = Some(at);
    }

    pub(super) fn with_trailer(mut self, more: &str) -> Self {
        self.trailer = more.to_owned();
        self
    }

    /// Adds a revision with the first signature in object 6, field 5, and whatever else.
    pub(super) fn sign_first(&mut self, sign: &dyn Fn(&[u8]) -> Vec<u8>, more: &str) {
        let objects = [
            (
                1,
                "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R] /SigFlags 3 >> >>"
                    .into(),
            ),
            (3, page("5 0 R", "")),
            (5, field("Sig1", 6)),
        ];
        self.sign_with(&objects, 6, "adbe.pkcs7.detached", more, sign);
    }

    /// A second signature in object 8, field 7.
    pub(super) fn sign_second(&mut self, sign: &dyn Fn(&[u8]) -> Vec<u8>) {
        let objects = [
            (1, "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R 7 0 R] /SigFlags 3 >> >>".into()),
            (3, page("5 0 R 7 0 R", "")),
            (7, field("Sig2", 8)),
        ];
        self.sign_with(&objects, 8, "ETSI.CAdES.detached", "", sign);
    }

    /// Adds a revision with a signature dictionary as its last object; `sign` gets the bytes that
    /// are signed.
    pub(super) fn sign_with(
        &mut self,
        objects: &[(u32, String)],
        number: u32,
        subfilter: &str,
        more: &str,
        sign: &dyn Fn(&[u8]) -> Vec<u8>,
    ) {
        let hole = "0".repeat(HOLE);
        let dictionary = format!(
            "<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /{subfilter} /M (D:20261122100000+07'00') \
             /ByteRange [0 ########## ########## ##########] {more} /Contents <{hole}> >>"
        );
        let before = self.bytes.len();
        let mut all = objects.to_vec();
        all.push((number, dictionary));
        self.update(&all);
        let place = |wanted: &[u8]| {
            let found = self.bytes[before..]
                .windows(wanted.len())
                .position(|window| window == wanted);
            before + found.unwrap()
        };
        let from = place(b"/Contents <0000") + b"/Contents ".len();
        let to = from + HOLE + 2;
        let mut range = place(b"##########");
        for value in [from, to, self.bytes.len() - to] {
            self.bytes[range..range + 10].copy_from_slice(format!("{value:010}").as_bytes());
            range += 11;
        }
        let signed = [&self.bytes[..from], &self.bytes[to..]].concat();
        let hex: String = sign(&signed)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert!(hex.len() <= HOLE, "{} digits", hex.len());
        self.bytes[from + 1..from + 1 + hex.len()].copy_from_slice(hex.as_bytes());
    }
}

pub(super) fn page(annotations: &str, more: &str) -> String {
    let annotations = match annotations {
        "" => String::new(),
        some => format!(" /Annots [{some}]"),
    };
    format!(
        "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 << /Type /Font \
         /Subtype /Type1 /BaseFont /Times-Roman >> >> >>{annotations}{more} >>"
    )
}

pub(super) fn stream(text: &str) -> String {
    format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len())
}

pub(super) fn field(name: &str, value: u32) -> String {
    format!(
        "<< /FT /Sig /T ({name}) /Type /Annot /Subtype /Widget /F 132 /Rect [0 0 0 0] /P 3 0 R \
         /V {value} 0 R >>"
    )
}

/// Signers and their authority.
pub(super) struct World {
    pub(super) authority: Authority,
    pub(super) signer: Signer,
    tsa: TokenIssuer,
    /// The time in tokens.
    pub(super) clock: Timestamp,
}

impl World {
    pub(super) fn new() -> Self {
        let authority = Authority::new();
        let signer = authority.signer(Role::AgencySignature, "04.36.h01", Algorithm::EcdsaP256);
        let tsa = authority.signer(Role::TimeStamping, "tsa-1", Algorithm::EcdsaP256);
        let chain = vec![authority.ca.clone()];
        let tsa = TokenIssuer::new(tsa.key, tsa.certificate, chain);
        Self {
            clock: authority.now(),
            authority,
            signer,
            tsa,
        }
    }

    pub(super) fn anchors(&self) -> Anchors {
        Anchors::new(vec![self.authority.root.clone()])
    }

    /// openssl signs these bytes with further options.
    pub(super) fn cms(&self, bytes: &[u8], stem: &str, options: &str) -> Vec<u8> {
        self.authority.write("signed", bytes);
        self.authority.openssl(&format!(
            "cms -sign -binary -in signed -signer {stem}.crt -inkey {stem}.key -certfile ca.crt \
             -outform DER -out made.cms {options}"
        ));
        self.authority.read("made.cms")
    }

    pub(super) fn plain(&self) -> impl Fn(&[u8]) -> Vec<u8> + '_ {
        |bytes| self.cms(bytes, &self.signer.stem, "-md sha256 -cades")
    }

    /// A token of our issuer over a digest, an hour into the certificates' life.
    pub(super) fn token(&self, imprint: &Digest) -> Vec<u8> {
        let request = TimeStampRequest::new(*imprint, 7);
        let request_bytes = request.build().unwrap();
        let response = self.tsa.respond(&request_bytes, self.clock).unwrap();
        request.token_from_response(&response).unwrap()
    }

    pub(super) fn stamped(&self) -> impl Fn(&[u8]) -> Vec<u8> + '_ {
        |bytes| {
            let cms = self.plain()(bytes);
            let parsed = sign::Parsed::parse(&cms).unwrap();
            let token = self.token(&Digest::of(parsed.signature_value()));
            sign::add_timestamp(&cms, &token).unwrap()
        }
    }

    /// An RSA signer; openssl makes PKCS#1 v1.5 unless told otherwise.
    pub(super) fn rsa(&self) -> &'static str {
        let extensions = "keyUsage=critical,digitalSignature\nauthorityKeyIdentifier=keyid\n\
                          subjectKeyIdentifier=hash\n";
        self.authority.write("rsa.ext", extensions.as_bytes());
        self.authority.openssl("genrsa -out rsa.key 2048");
        self.authority
            .openssl("req -new -key rsa.key -subj /O=UBND/CN=Signer -out rsa.csr");
        self.authority.openssl(
            "x509 -req -in rsa.csr -CA ca.crt -CAkey ca.key -days 20 -CAcreateserial \
             -extfile rsa.ext -out rsa.crt",
        );
        "rsa"
    }
}

/// Hexadecimal digits kept for a signature.
const HOLE: usize = 16_000;
