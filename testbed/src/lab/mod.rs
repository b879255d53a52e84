//! The lab: regions as network namespaces, the switch between them, DNS, the certificate authority, processes.
