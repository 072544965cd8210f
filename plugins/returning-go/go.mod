module wampgate-returning-policy

go 1.27
