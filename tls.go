package roost

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"
)

// tlsSuites are the suites of TLS 1.2 with forward secrecy and authenticated
// encryption; those of TLS 1.3 all have both.
var tlsSuites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// tlsConfig loads the key pair; nil where the Config names none.
func tlsConfig(cfg *Config) (*tls.Config, error) {
	if cfg.KeyFile == "" {
		return nil, nil
	}
	cert, err := loadKeyPair(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return nil, &Error{Op: "load TLS key pair", Kind: ErrConfig, Err: err}
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		CipherSuites: tlsSuites,
		NextProtos:   []string{"h2", "http/1.1"},
	}, nil
}

func loadKeyPair(certFile, keyFile string) (tls.Certificate, error) {
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("CertFile: %w", err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("KeyFile: %w", err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return cert, fmt.Errorf("KeyFile %q and CertFile %q: %w%s", keyFile, certFile, err, keyPairHint(certPEM, keyPEM))
	}
	return cert, nil
}

func keyPairHint(certPEM, keyPEM []byte) string {
	cert, key := string(certPEM), string(keyPEM)
	switch {
	case strings.Contains(key, "ENCRYPTED"):
		return "; the key has a passphrase: write it without one (openssl pkey -in KEY -out NEWKEY)"
	case !strings.Contains(cert, "BEGIN CERTIFICATE") && strings.Contains(key, "BEGIN CERTIFICATE"):
		return "; are the two files swapped?"
	}
	return ""
}
