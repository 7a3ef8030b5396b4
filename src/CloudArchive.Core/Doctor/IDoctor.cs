using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Doctor;

/// <summary>Which rights a host must have and must not have (docs/design.md, "Least privilege").</summary>
/// <param name="Ingest">It takes packs.</param>
/// <param name="Recovery">It opens them.</param>
public readonly record struct HostDuties(bool Ingest, bool Recovery)
{
    /// <summary>A single machine has both, and nothing to keep apart.</summary>
    public bool Both => Ingest && Recovery;
}

/// <summary>A part of <c>GET /v1/doctor</c>.</summary>
public interface IDoctor
{
    /// <summary>Looks. What is wrong is in the answer; what it throws is told as a check that failed.</summary>
    IAsyncEnumerable<DoctorCheck> ExamineAsync(HostDuties duties, CancellationToken cancellationToken);
}

/// <summary>Clinics that a doctor looks at: so many that a request has its answer in time.</summary>
internal static class DoctorLimits
{
    public const int MostClinics = 200;

    /// <summary>Says so where there are more.</summary>
    public static string Of(int clinics) => clinics == MostClinics ? $"the first {MostClinics} clinics" : clinics == 1 ? "1 clinic" : $"{clinics} clinics";
}
