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

// OpenSSL 3 deprecates the one SHA-256 interface that needs no heap (52 ns for an API key; EVP: 77–300 ns and a malloc).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static inline void eclusa_sha256_init(SHA256_CTX *context) { (void)SHA256_Init(context); }
static inline void eclusa_sha256_update(SHA256_CTX *context, const void *bytes, size_t count) {
    (void)SHA256_Update(context, bytes, count);
}
static inline void eclusa_sha256_final(unsigned char *digest, SHA256_CTX *context) { (void)SHA256_Final(digest, context); }
#pragma GCC diagnostic pop
