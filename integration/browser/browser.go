// Package browser runs headless Chromium for tests that look at the daemon's page.
package browser

import (
	"context"
	"fmt"

	"github.com/chromedp/chromedp"

	"cdcbridge/integration/servers"
)

// Browser is a Chromium that runs. Tabs are contexts of chromedp that are made from it.
type Browser struct{ context.Context }

// Start starts Chromium, which ends with the test, or ends the test.
func Start(tb servers.TB) Browser {
	tb.Helper()
	command, err := servers.ChromiumCommand(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(command), chromedp.NoSandbox, chromedp.Flag("lang", "en"))
	ctx, end := chromedp.NewExecAllocator(tb.Context(), options...)
	tb.Cleanup(end)
	ctx, end = chromedp.NewContext(ctx)
	tb.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil { // the first call starts it
		tb.Fatal(fmt.Errorf("starting Chromium: %w", err))
	}
	return Browser{ctx}
}
