package web_test

import (
	"testing"

	"github.com/berthdev/berth/internal/apptest"
)

func TestMain(m *testing.M) { apptest.Main(m) }
