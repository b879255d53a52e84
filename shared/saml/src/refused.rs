//! Why a message is not believed: one variant a reason, in words for an operator's log. None quotes what it refuses, so
//! that a stranger's text does not get into a log line. A connector maps all of them to `Failure::protocol`.

use crate::gate::Root;

/// Why a message, a key or a query is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// More bytes than the gate reads.
    #[error("the message is longer than {limit} bytes")]
    TooLong {
        /// The limit that it passed.
        limit: usize,
    },
    /// One tag with more bytes than the gate reads.
    #[error("a tag of the message is longer than {limit} bytes")]
    LongTag {
        /// The limit that it passed.
        limit: usize,
    },
    /// More attributes in one tag than any message needs.
    #[error("an element of the message has more than {limit} attributes")]
    ManyAttributes {
        /// The limit that it passed.
        limit: usize,
    },
    /// More namespaces in scope of one element than any message needs.
    #[error("an element of the message has more than {limit} namespaces")]
    ManyNamespaces {
        /// The limit that it passed.
        limit: usize,
    },
    /// Elements in elements, deeper than any message needs.
    #[error("the message nests elements deeper than {limit}")]
    TooDeep {
        /// The limit that it passed.
        limit: usize,
    },
    /// More elements and texts than any message needs.
    #[error("the message has more than {limit} nodes")]
    ManyNodes {
        /// The limit that it passed.
        limit: u32,
    },
    /// Not UTF-8, or it begins with a byte order mark.
    #[error("the message is not plain UTF-8")]
    Encoding,
    /// Another XML version or encoding than 1.0 and UTF-8.
    #[error("the message's XML declaration is not one of XML 1.0 in UTF-8")]
    Declaration,
    /// `<!DOCTYPE`, or anything else that begins like it.
    #[error("the message has a document type declaration")]
    DocumentType,
    /// `<?...?>`.
    #[error("the message has a processing instruction")]
    ProcessingInstruction,
    /// A comment, or a processing instruction, in the middle of a text.
    #[error("a text of the message is cut by a comment")]
    CutText,
    /// Not well-formed.
    #[error("the message is not well-formed XML, at line {line}, column {column}: {why}")]
    Malformed {
        /// Counted from 1.
        line: u32,
        /// Counted from 1, in characters.
        column: u32,
        /// In a few words of our own.
        why: &'static str,
    },
    /// A prefix without a namespace, a namespace that is not an absolute URI, an `xmlns` that hides behind a prefix.
    #[error("the message declares a namespace that is not one")]
    Namespace,
    /// Another document than was asked for.
    #[error("the document is not {expected}")]
    OtherRoot {
        /// What was asked for.
        expected: Root,
    },
    /// Not SAML 2.0.
    #[error("the version of {of} is not 2.0")]
    Version {
        /// The element in question.
        of: Root,
    },
    /// An element that must carry an ID has none, an empty one, or one of strange characters.
    #[error("{of} has no usable ID")]
    NoId {
        /// The element in question.
        of: Root,
    },
    /// Two elements, one ID.
    #[error("an ID occurs more than once in the message")]
    SameIdTwice,
    /// An attribute with a prefix that reads like one without: `samlp:ID`, `x:Id`.
    #[error("an attribute hides behind a prefix")]
    PrefixedAttribute,
    /// More than one assertion, one that is not directly in the response, one in a message that has none, or an
    /// element of another namespace that is called like one.
    #[error("the message has an assertion where none may stand, or more than one")]
    StrayAssertion,
    /// A protocol message inside another one.
    #[error("the message has another message inside")]
    Nested,
    /// A signature that is not a direct child of the message or its assertion, or a second one there.
    #[error("the message has a signature where none may stand, or more than one")]
    StraySignature,
    /// A signature that is built otherwise than SAML prescribes (core, section 5.4).
    #[error("a signature of the message is not of the prescribed form: {0}")]
    SignatureForm(&'static str),
    /// An algorithm that is not in the list: SHA-1, HMAC, XPath and the like.
    #[error("a signature of the message uses an algorithm that is not allowed: {0}")]
    Algorithm(&'static str),
    /// Nothing in it is signed.
    #[error("the message is not signed")]
    Unsigned,
    /// The signed digest is another than that of the element.
    #[error("{of} was changed after it was signed")]
    Digest {
        /// The element in question.
        of: Root,
    },
    /// None of the pinned certificates made that signature.
    #[error("{of} is signed by none of the {certificates} pinned certificates")]
    Signature {
        /// What was signed.
        of: Root,
        /// How many were tried.
        certificates: usize,
    },
    /// What was signed reads differently once it is written down again.
    #[error("what was signed has no stable written form")]
    Unstable,
    /// No certificate to verify with.
    #[error("there is no signing certificate to verify with")]
    NoCertificate,
    /// A certificate that cannot be used.
    #[error("a certificate cannot be used: {0}")]
    Certificate(&'static str),
    /// Our own key cannot sign.
    #[error("the message cannot be signed: {0}")]
    Signing(String),
    /// An encrypted assertion, and no key to open it with.
    #[error("the assertion is encrypted, and there is no decryption key")]
    NoDecryptionKey,
    /// A private key that cannot decrypt.
    #[error("a decryption key cannot be used: {0}")]
    DecryptionKey(&'static str),
    /// Encrypted in a form or with an algorithm that is not allowed.
    #[error("the assertion is encrypted in a way that is not allowed: {0}")]
    EncryptionForm(&'static str),
    /// It cannot be opened. Wrong key and changed text are one and the same, so that nobody can ask step by step.
    #[error("the encrypted assertion cannot be opened")]
    Decryption,
    /// Not base64.
    #[error("{0} is not base64")]
    Base64(&'static str),
    /// Not a deflated stream.
    #[error("the message is not deflated")]
    Deflate,
    /// A parameter that must be there.
    #[error("the query has no `{0}`")]
    Missing(&'static str),
    /// A parameter that must not be there twice.
    #[error("the query has `{0}` twice")]
    Twice(&'static str),
    /// A query that cannot be read.
    #[error("the query is malformed: {0}")]
    Query(&'static str),
}

impl Refused {
    /// Whether an encrypted assertion could not be opened: for want of a key, by its form, or because it is for another key.
    pub(crate) fn is_about_opening(&self) -> bool {
        matches!(self, Self::NoDecryptionKey | Self::EncryptionForm(_) | Self::Decryption)
    }
}
