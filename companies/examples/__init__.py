"""Company files on real data: the worked examples of docs/onboarding.md."""
