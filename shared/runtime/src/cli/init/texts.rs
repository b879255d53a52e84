//! The files that `init` writes. A name in braces is filled in; where a node will be is `{origin}` and `{port}`.

/// A root: people in a file, and one application.
pub(super) const ROOT: &str = r#"# A root on this machine, by plain HTTP on loopback. For a real deployment: a certificate (`tls`), a host name that
# edges and browsers reach, and the identity providers you have.
version: "1"

http:
  address: 127.0.0.1:{port}
  publicURL: {origin}

state:
  directory: state              # generated keys, the node's id, the admin socket

connectors:
  - name: people
    type: local
    usersFile: {users}       # mangrove-root user add {users} NAME
    title: Example Company      # whose password the sign-in page asks for

oidcProvider:
  discovery:
    issuer: {origin}

apps:
  - name: sample-app
    type: oidc
    clientID: sample-app
    public: true                # no secret; PKCE is required
    redirectURLs:
      - http://app.localhost:8080/callback
    authentication:
      idps: [people]
    claimsMapping:
      email: people.email
      name: people.name
"#;

/// An edge, without its roots.
pub(super) const EDGE: &str = r#"# An edge on this machine, by plain HTTP on loopback. It holds no identity provider's credentials: roots vouch.
version: "1"

http:
  address: 127.0.0.1:{port}
  publicURL: {origin}

state:
  directory: state              # generated keys, the node's id, the admin socket

connectors:
{connectors}  - name: roots
    type: continuity
    strategy: failover
    failover:
      idps:
{members}    attributes:
      # One person is one subject, whichever root vouches.
      - name: sub
        mapping:
{subjects}
oidcProvider:
  discovery:
    issuer: {origin}

apps:
  - name: sample-app
    type: oidc
    clientID: sample-app
    public: true                # no secret; PKCE is required
    redirectURLs:
      - http://app.localhost:8080/callback
    authentication:
      idps: [roots]
    claimsMapping:
      email: roots.email
      name: roots.name
"#;

/// One root of an edge.
pub(super) const EDGE_CONNECTOR: &str = r"  - name: {name}
    type: oidc
    root: true
    oidcWellKnownURL: {wellKnown}
    oauthClientID: edge
    oauthClientSecret: <roots.edge>
    oauthRedirectURL: {origin}/oidc/callback/{name}
    scopes: openid profile email
    healthCheck:
      enabled: true
      interval: 2s
      timeout: 2s
      unhealthyThreshold: 2     # so a dead root is out after 4 seconds,
      healthyThreshold: 2       # and back 4 seconds after it lives again

";

/// What a root has to know of an edge.
pub(super) const FOR_ROOTS: &str = r#"
  - name: edge
    type: oidc
    clientID: edge
    clientSecret: "{secret}"
    redirectURLs:
{redirects}
    postLogoutRedirectURLs:
      - {origin}/login/signed-out       # signing out at the edge ends the session here, and comes back
    authentication:
      idps: [people]
    claimsMapping:
      email: people.email
      name: people.name
"#;
