package servers

import (
	"context"
	"path/filepath"
)

// ChromiumCommand installs the headless browser if it is not there, and gives the command that runs it.
func ChromiumCommand(ctx context.Context) (string, error) {
	if err := ensure(ctx, Chromium); err != nil {
		return "", err
	}
	return filepath.Join(CacheDir(), Chromium, "chromium-run"), nil
}
