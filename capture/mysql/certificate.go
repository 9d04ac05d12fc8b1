package mysql

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"cdcbridge/capture"
)

// alertPatience is how long a server may take to say that it does not trust a certificate.
const alertPatience = 3 * time.Second

// refusedCertificate finds out whether the server has refused our certificate. With TLS 1.3 it says so behind the handshake, in the stead
// of its first answer, and go-mysql makes a broken connection of that. So this comes once more, up to there, and logs nobody in. It
// returns nil if that was not the reason.
func refusedCertificate(ctx context.Context, cfg *Config, op string) error {
	if cfg.TLS.CertFile == "" || cfg.network() == "unix" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, alertPatience)
	defer cancel()
	raw, hello, err := dial(ctx, cfg.network(), cfg.addr())
	if err != nil {
		return nil // the reason is another one
	}
	defer func() { _ = raw.Close() }()
	raw.head = nil // the greeting was read
	settings, err := cfg.TLS.Client(cfg.Host, hello.tls)
	if err != nil || settings == nil {
		return nil
	}
	if _, err := raw.Write(sslRequest()); err != nil {
		return nil
	}
	secured := tls.Client(raw, settings)
	if err = secured.HandshakeContext(ctx); err == nil {
		_, err = secured.Read(make([]byte, 1)) // nothing comes before we have logged in, but an alert
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return capture.TLSFault(op, err)
}

// sslRequest is the packet by which a client asks for TLS: capabilities, largest packet, character set, and 23 bytes of nothing.
func sslRequest() []byte {
	packet := make([]byte, 4+32)
	packet[0], packet[3] = 32, 1 // length and number
	binary.LittleEndian.PutUint32(packet[4:], gomysql.CLIENT_SSL|gomysql.CLIENT_PROTOCOL_41|gomysql.CLIENT_SECURE_CONNECTION)
	binary.LittleEndian.PutUint32(packet[8:], 1<<24-1)
	packet[12] = gomysql.DEFAULT_COLLATION_ID
	return packet
}
