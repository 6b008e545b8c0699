package discord_test

import (
	"testing"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
	"petrel/adapters/discord"
	fake "petrel/tests/fakes/discord"
)

// connect makes an adapter for a fake, as the program does from its configuration.
func connect(t *testing.T) func(*fake.Server) adapters.Adapter {
	return func(s *fake.Server) adapters.Adapter {
		a, err := discord.New(discord.Options{Token: s.Token(), MessageContent: true, APIURL: s.URL()})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
}

// TestContract holds Discord to what every platform must do.
func TestContract(t *testing.T) {
	adaptertest.Run(t, fake.Features(), func(t *testing.T) adaptertest.Harness {
		return fake.NewHarness(fake.Start(fake.Options{}), connect(t))
	})
}
