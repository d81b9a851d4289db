#pragma once
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// OpenSSL 3 deprecates the one SHA-256 interface that needs no heap (52 ns for an API key; EVP: 77–300 ns
// and a malloc).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static inline void eclusa_sha256_init(SHA256_CTX *context) { (void)SHA256_Init(context); }
static inline void eclusa_sha256_update(SHA256_CTX *context, const void *bytes, size_t count) {
    (void)SHA256_Update(context, bytes, count);
}
static inline void eclusa_sha256_final(unsigned char *digest, SHA256_CTX *context) {
    (void)SHA256_Final(digest, context);
}
#pragma GCC diagnostic pop

// Function-like macros and constants built from macros are not imported into Swift.
static inline int eclusa_ssl_set_minimum_tls12(SSL_CTX *context) {
    return (int)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}
static inline void eclusa_ssl_set_modes(SSL_CTX *context) {
    SSL_CTX_set_mode(
        context,
        SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
}
static inline void eclusa_ssl_set_options(SSL_CTX *context, int allow_tickets) {
    SSL_CTX_set_options(
        context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    if (!allow_tickets) SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
}
static inline void eclusa_ssl_set_session_cache(SSL_CTX *context, int is_client) {
    SSL_CTX_set_session_cache_mode(
        context, is_client ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL : SSL_SESS_CACHE_OFF);
}
static inline int eclusa_ssl_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}
static inline int eclusa_ssl_set_server_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}
static inline void eclusa_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }
static inline void eclusa_bio_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void eclusa_bio_retry_write(BIO *bio) { BIO_set_retry_write(bio); }
static inline int eclusa_bio_new_type(void) { return BIO_get_new_index() | BIO_TYPE_SOURCE_SINK; }
static inline int eclusa_x509_is_end_of_pem(unsigned long error) {
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}
/// Raw Ed25519 public key of a certificate: 1 and 32 bytes, or 0 when its key is of another kind.
static inline int eclusa_x509_ed25519_key(const X509 *certificate, unsigned char *key) {
    EVP_PKEY *public_key = X509_get0_pubkey(certificate);
    size_t count = 32;
    return public_key && EVP_PKEY_get_id(public_key) == EVP_PKEY_ED25519 &&
           EVP_PKEY_get_raw_public_key(public_key, key, &count) == 1 && count == 32;
}

// Macros that Swift's importer does not see.
static const int eclusa_mbstring_utf8 = MBSTRING_UTF8;
static inline void eclusa_openssl_free(void *memory) { OPENSSL_free(memory); }
