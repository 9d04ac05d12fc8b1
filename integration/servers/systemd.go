package servers

import (
	"context"
	"path/filepath"
)

// SystemdRoot unpacks a root directory with systemd if it is not there, and gives its path. It is shared: whoever runs it puts a layer of its own
// above it.
func SystemdRoot(ctx context.Context) (string, error) {
	if err := ensure(ctx, Systemd); err != nil {
		return "", err
	}
	return filepath.Join(CacheDir(), Systemd, "root"), nil
}
